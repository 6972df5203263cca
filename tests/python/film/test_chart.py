"""The sheet of a take: what is on it, and which closures it marks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from films_made import RATE_HZ, spoken

from diffusiontalker import film
from diffusiontalker.curves import CURVES
from diffusiontalker.film import chart


def test_a_sheet_is_written(tmp_path: Path) -> None:
    voice = spoken(1.0)
    for ending, begins in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        path = tmp_path / f"sheet{ending}"
        chart.write(
            path, voice.curves, CURVES, voice.times, voice.sound, RATE_HZ,
            words=[("word", 0.1, 0.5)], title="said",
        )  # fmt: skip
        assert path.read_bytes().startswith(begins)
    assert b"jawOpen" in path.read_bytes() or b"DejaVu" in path.read_bytes()
    with pytest.raises(film.FilmError, match="cannot write"):
        chart.write(tmp_path / "sheet.xyz", voice.curves, CURVES, voice.times, voice.sound, RATE_HZ)
    assert len(list(tmp_path.iterdir())) == 2


def test_closures_are_short_dips_between_open_lips() -> None:
    """A dip of 0.1 s counts, a silence of a second does not."""
    rate = 60
    times = np.arange(4 * rate) / rate
    jaw = np.full(len(times), 0.3, np.float32)
    jaw[(times > 1.0) & (times < 1.1)] = 0.0
    jaw[(times > 2.0) & (times < 3.0)] = 0.0
    ((begin, end),) = chart.closures(film.Track(jaw[:, None], ["jawOpen"], times))
    assert begin == pytest.approx(1.0, abs=0.04)
    assert end == pytest.approx(1.1, abs=0.04)


def test_mouth_close_closes_an_open_jaw() -> None:
    curves = np.array([[0.4, 0.0], [0.4, 0.4]], np.float32)
    track = film.Track(curves, ["jawOpen", "mouthClose"], [0.0, 0.1])
    np.testing.assert_allclose(chart.lip_opening(track), [0.4, 0.0], atol=1e-6)
