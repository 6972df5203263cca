"""Mouth curves read off the articulators of the rule-made performance: a least-squares fit.

Fitted to the faces solved from the films of GRID's speaker 1 (687 clips; `studies/fit_performer.py
--reading` fits it again): curve = row . (1, closed, tucked, jaw, pucker, funnel, spread, lower,
upper, silent), below 0 is 0. A
name of a pair stands for both sides. Where r on
held-out clips was above 0.35 the deviation from the mean is stretched (at most 1.7 times) to the
spread that was measured: a fit alone moves too little.
"""

from __future__ import annotations

PARTS = (
    "one", "closed", "tucked", "jaw", "pucker", "funnel", "spread", "lower", "upper", "silent",
)  # fmt: skip

READING: dict[str, tuple[float, ...]] = {
    "jawForward": (0.025, -0.033, 0.013, 0.343, -0.069, 0.061, 0.022, -0.142, -0.008, 0.010),
    "jawOpen": (-0.021, -0.006, -0.025, 0.451, 0.149, 0.101, -0.022, 0.061, -0.008, 0.005),
    "mouthClose": (0.020, 0.100, 0.082, 0.118, 0.020, -0.131, -0.025, -0.077, 0.022, -0.008),
    "mouthFunnel": (-0.006, -0.036, -0.032, 0.088, -0.059, 0.360, -0.011, -0.019, 0.017, 0.010),
    "mouthPucker": (-0.020, -0.047, -0.020, 0.041, 0.597, -0.116, 0.015, 0.005, -0.036, -0.016),
    "mouthSmile": (0.017, 0.007, 0.016, -0.045, -0.008, -0.058, 0.006, 0.022, -0.008, 0.007),
    "mouthFrown": (-0.024, 0.015, -0.029, 0.126, 0.336, 0.144, -0.032, -0.066, 0.030, -0.011),
    "mouthDimple": (0.006, 0.002, 0.007, -0.011, -0.001, -0.014, -0.005, 0.003, 0.000, 0.003),
    "mouthStretch": (-0.058, -0.035, -0.040, -0.134, 0.040, -0.099, 0.384, 0.085, 0.001, -0.016),
    "mouthRollLower": (0.003, 0.022, 0.033, 0.026, 0.052, 0.003, 0.003, -0.029, 0.043, 0.013),
    "mouthRollUpper": (-0.023, -0.010, 0.012, 0.094, 0.083, 0.331, -0.038, 0.086, 0.150, 0.027),
    "mouthShrugLower": (0.008, 0.010, -0.028, -0.132, 0.215, 0.089, -0.003, 0.055, -0.011, 0.017),
    "mouthShrugUpper": (0.028, -0.059, -0.040, -0.046, -0.01, 0.403, -0.061, -0.126, 0.208, -0.01),
    "mouthPress": (-0.011, 0.139, -0.024, -0.063, 0.290, -0.005, -0.032, 0.017, 0.028, 0.020),
    "mouthLowerDown": (-0.060, -0.109, -0.078, 0.229, -0.126, 0.214, 0.103, 0.477, 0.024, 0.018),
    "mouthUpperUp": (-0.014, -0.081, 0.051, 0.020, -0.056, 0.181, 0.082, 0.051, 0.292, -0.004),
}  # fmt: skip
