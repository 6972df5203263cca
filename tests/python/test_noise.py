"""The noise generator: known answers, and the same bits from a second implementation in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from diffusiontalker import _core

# AS 241 (Wichura 1988), PPND16: numerators and denominators, lowest power first.
CENTRE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
     1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
     3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
     5.2264952788528545610e3),
)  # fmt: skip
TAIL = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
     3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
     2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
     1.05075007164441684324e-9),
)  # fmt: skip


def philox(counter: list[int], key: list[int]) -> list[int]:
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def polynomial(coefficients: tuple[float, ...], x: float) -> float:
    value = coefficients[-1]
    for c in coefficients[-2::-1]:
        value = value * x + c
    return value


def logarithm(x: float) -> float:
    mantissa, exponent = math.frexp(x)
    if mantissa < 0.70710678118654752:
        mantissa, exponent = mantissa * 2, exponent - 1
    s = (mantissa - 1) / (mantissa + 1)
    total = 0.0
    for k in range(25, 0, -2):
        total = total * (s * s) + 1 / k
    return 2 * s * total + exponent * 0.69314718055994530942


def normal(bits: int) -> np.float32:
    p = (bits + 0.5) / 2**32
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return np.float32(q * polynomial(CENTRE[0], r) / polynomial(CENTRE[1], r))
    r = math.sqrt(-logarithm(p if q < 0 else 1 - p)) - 1.6
    tail = polynomial(TAIL[0], r) / polynomial(TAIL[1], r)
    return np.float32(-tail if q < 0 else tail)


@pytest.mark.parametrize("seed", [0, 7, 2**40 + 3, 2**64 - 1])
def test_python_and_cpp_give_the_same_bits(seed: int) -> None:
    frames = [0, 1, 59, 12345, 2**33 + 1]
    for frame in frames:
        expected = []
        for block in range(13):
            words = philox(
                [frame & 0xFFFFFFFF, frame >> 32, block, 0], [seed & 0xFFFFFFFF, seed >> 32]
            )
            expected += [normal(w) for w in words]
        np.testing.assert_array_equal(_core.noise(seed, frame, 1)[0], np.array(expected))


def test_the_generator_is_philox() -> None:
    # The published known answer for a zero counter and key.
    assert philox([0, 0, 0, 0], [0, 0]) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


def test_the_logarithm_is_one() -> None:
    for x in np.geomspace(1e-10, 0.08, 500):
        assert logarithm(float(x)) == pytest.approx(math.log(x), rel=1e-15)


def test_the_values_are_standard_normal() -> None:
    x = _core.noise(3, 0, 40000).astype(np.float64).ravel()
    n = x.size
    assert abs(x.mean()) < 4 / math.sqrt(n)
    assert abs(x.var() - 1) < 4 * math.sqrt(2 / n)
    assert abs((x**4).mean() - 3) < 4 * math.sqrt(96 / n)
    inside = (np.abs(x) < 1.959963984540054).mean()
    assert inside == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / n))


def test_frames_curves_and_seeds_are_unrelated() -> None:
    x = _core.noise(11, 0, 4000)
    y = _core.noise(12, 0, 4000)
    limit = 5 / math.sqrt(4000)
    assert abs(np.corrcoef(x[:-1, 0], x[1:, 0])[0, 1]) < limit
    assert np.abs(np.corrcoef(x.T) - np.eye(52)).max() < limit
    assert abs(np.corrcoef(x.ravel(), y.ravel())[0, 1]) < limit


def test_any_frame_can_be_replayed() -> None:
    x = _core.noise(5, 0, 100)
    np.testing.assert_array_equal(_core.noise(5, 37, 4), x[37:41])
