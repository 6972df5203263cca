"""Files of `dt-stream --out` as input: every rate, cut lines, and what is none of ours."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from takes_made import frame_of, schema_of, values_of

from diffusiontalker.frames import Bye
from diffusiontalker.stream.outputs.recorder import CsvRecorder, JsonRecorder
from diffusiontalker.takes import TakeError, recorded

RATES = [Fraction(r) for r in (24, 25, 30, 50, 60, 120)] + [
    Fraction(n, 1001) for n in (24000, 30000, 60000)
]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", [CsvRecorder, JsonRecorder])
def test_what_was_recorded_comes_back(tmp_path: Path, rate: Fraction, kind: type) -> None:
    path = tmp_path / ("a.csv" if kind is CsvRecorder else "a.jsonl")
    schema, values = schema_of(rate), values_of(400)
    recorder = kind(path)
    recorder.announce(schema)
    for index in range(400):
        recorder.send(frame_of(schema, index, values[index]))
    recorder.close(Bye("anna", 7, 400, "done"))
    motion = recorded.read(path)
    assert motion.rate == rate
    assert motion.index.tolist() == list(range(400))
    np.testing.assert_allclose(motion.curves, values, atol=1e-6 if kind is CsvRecorder else 0)
    path.write_text(path.read_text()[:-40])
    assert len(recorded.read(path).index) == 399


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "", "no header"),
        ("a.csv", "Timecode,BlendShapeCount,JawOpen\n", "no frame in it"),
        ("a.csv", "Timecode,BlendShapeCount,JawOpen\nx,61,0.5\n", "expected what dt-stream"),
        ("a.jsonl", "{}\n{}", "no frame"),
        ("a.jsonl", "hello\nworld", "expected what dt-stream"),
    ],
)
def test_what_is_none_of_ours_is_one_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(TakeError, match=said):
        recorded.read(tmp_path / name)
