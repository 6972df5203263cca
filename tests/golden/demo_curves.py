"""The demo clip's curves through the embedded model: what tests/golden/curves.json holds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

import diffusiontalker
from diffusiontalker import CURVES, Runtime, bundle

GOLDEN = Path(__file__).with_name("curves.json")
SEED = 7
#: The model alone, by two identities, and all that a plain Runtime adds, head included.
PLAYS: dict[str, dict[str, Any]] = {
    "auto": {"identity": "auto", "idle": 0},
    "af_heart": {"identity": "af_heart", "idle": 0},
    "alive": {"identity": "auto", "head": True},
}
#: Curves and frames whose values are kept as well: they show what a change of digests changed.
KEPT = ("jawOpen", "mouthClose", "mouthPucker", "mouthSmileLeft", "browInnerUp", "eyeBlinkLeft")
EVERY = 20
DECIMALS = 6
Curves = NDArray[np.float32]


def play(name: str) -> Curves:
    """(frames, 52 or 55) of the whole clip, with the kernel that DT_KERNEL names, else the best."""
    clip = Path(diffusiontalker.__file__).parent / "data" / "demo.flac"
    audio, rate = soundfile.read(clip, dtype="float32")
    runtime = Runtime(sample_rate=rate, seed=SEED, **PLAYS[name])
    return np.concatenate([runtime.step(audio), runtime.flush()])


def digest(curves: Curves) -> str:
    return hashlib.sha256(np.ascontiguousarray(curves, dtype="<f4").tobytes()).hexdigest()


def fnv(curves: Curves) -> str:
    """FNV-1a of the values' bytes: what dt_digest prints of them (tests/cpp/digest/hash.h)."""
    value = 0xCBF29CE484222325
    for byte in np.ascontiguousarray(curves, dtype="<f4").tobytes():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def kept(curves: Curves) -> Curves:
    """(frames / EVERY, len(KEPT)): the values that are kept."""
    return curves[::EVERY, [CURVES.index(name) for name in KEPT]]


def load() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(GOLDEN.read_text("utf-8"))
    return found


def write(digests: dict[str, str], values: dict[str, Curves]) -> None:
    """`digests`: play -> SHA-256; `values`: play -> what `kept` gives."""
    content = {
        "clip": "demo.flac",
        "seed": SEED,
        "model": bundle.read().sha256,
        "digests": digests,
        "curves": list(KEPT),
        "every_frames": EVERY,
    }
    head = json.dumps(content, indent=2)[:-2]  # without the last brace
    rows = {
        name: [[round(float(value), DECIMALS) + 0.0 for value in row] for row in curves]
        for name, curves in values.items()
    }
    blocks = [
        f'    "{name}": [\n' + ",\n".join(f"      {json.dumps(row)}" for row in table) + "\n    ]"
        for name, table in rows.items()
    ]
    text = head + ',\n  "values": {\n' + ",\n".join(blocks) + "\n  }\n}\n"
    GOLDEN.write_text(text, "utf-8")
