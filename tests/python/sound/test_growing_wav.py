"""A WAV that grows: readable at any instant, exact, and larger than 4 GiB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from diffusiontalker.sound import SoundReader, read_all
from diffusiontalker.sound.growing_wav import HEADER_BYTES, GrowingWav


def test_it_is_readable_while_it_grows_and_exact(tmp_path: Path) -> None:
    samples = (np.random.default_rng(5).random(5000) - 0.5).astype(np.float32)
    wav = GrowingWav(tmp_path / "a.wav", 44100)
    wav.write(0, samples[:3000])
    heard, rate_hz, _ = read_all(tmp_path / "a.wav")
    assert rate_hz == 44100
    np.testing.assert_array_equal(heard, samples[:3000])
    wav.write(3000, samples[3000:])
    wav.write(6000, samples[:10])
    wav.close()
    wav.close()
    for heard in (read_all(tmp_path / "a.wav")[0], soundfile.read(tmp_path / "a.wav")[0]):
        np.testing.assert_array_equal(heard[:5000], samples)
        assert not heard[5000:6000].any()
        assert len(heard) == 6010
    with pytest.raises(FileExistsError):
        GrowingWav(tmp_path / "a.wav", 44100)


def test_more_than_four_gibibytes_are_rf64(tmp_path: Path) -> None:
    long = (1 << 30) + 5
    wav = GrowingWav(tmp_path / "long.wav", 48000)
    wav.write(0, np.full(4, 0.5, np.float32))
    wav.write(long - 1, np.full(1, 0.25, np.float32))
    wav.close()
    path = tmp_path / "long.wav"
    assert path.stat().st_size == HEADER_BYTES + 4 * long
    if path.stat().st_blocks * 512 > 1 << 20:
        pytest.fail("what was passed over takes room on this disk")
    info = soundfile.info(path)
    assert (info.format, info.frames, info.samplerate) == ("RF64", long, 48000)
    reader = SoundReader(path)
    assert reader.frames == long
    reader.close()
