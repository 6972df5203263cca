"""Training reads sound with the reader of live use."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from diffusiontalker.train.corpora import sound_alone
from diffusiontalker.train.corpora.audio import audio_beside, read_audio
from diffusiontalker.train.corpora.recording import BrokenTake

sys.path.insert(0, str(Path(__file__).parents[2] / "sound"))
import forms


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("piped.flac", forms.piped_flac(forms.tone(2.0))),
        ("open.wav", forms.riff(forms.tone(2.0), size=0, data=0)),
        ("joined.mp3", 2 * forms.coded(forms.tone(1.0), "MP3")),
        ("chained.ogg", 2 * forms.coded(forms.tone(1.0), "OGG", "VORBIS")),
        ("chained.opus", 2 * forms.coded(forms.tone(1.0), "OGG", "OPUS")),
    ],
)
def test_whatever_live_use_reads(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert audio_beside(path.with_suffix(".json")) == path
    assert len(read_audio(path)) == 32000


def test_what_is_said_of_a_file_goes_with_the_take(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(forms.riff(forms.tone(2.0), size=None, data=None)[:40000])
    (note,) = sound_alone(path).notes
    assert note.startswith("cut.wav ends early")


def test_values_of_int16_in_floats_are_refused(tmp_path: Path) -> None:
    import soundfile

    path = tmp_path / "loud.wav"
    soundfile.write(path, forms.tone().astype(np.float32), 16000, subtype="FLOAT")
    with pytest.raises(BrokenTake, match=r"loud.wav: sample \d+ .*full scale is 1.0"):
        read_audio(path)
