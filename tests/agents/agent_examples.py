"""The examples for agents as programs, with the real packages: `poe agents`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import soundfile
from said import JAW, alone, speech

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name: str, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, EXAMPLES / name, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def voice(folder: Path) -> str:
    soundfile.write(folder / "voice.wav", speech(2.0), 16000)
    return f"sh -c 'cat {folder / 'voice.wav'}'"


def check(out: str, curves: Path) -> None:
    found = re.search(r"([\d.]+) s of sound, (\d+) frames; the jaw opened to ([\d.]+)", out)
    assert found is not None, out
    expected = alone(speech(2.0))
    assert 1.95 < float(found[1]) < 2.1
    assert int(found[2]) >= 120
    assert abs(float(found[3]) - expected[:, JAW].max()) < 0.02
    rows = []
    for line in curves.read_text().splitlines():
        message = json.loads(line)
        if message["type"] == "frames":
            rows += message["curves"]
    jaw = np.array(rows)[:120, JAW]
    np.testing.assert_allclose(jaw, expected[:, JAW], atol=0.02)  # rounded twice


def test_pipecats_agent_speaks_and_moves(tmp_path: Path) -> None:
    said, curves = tmp_path / "said.wav", tmp_path / "curves.jsonl"
    done = run(
        "pipecat_agent.py", "--say", "Hello.", "--tts", voice(tmp_path), "--out", said,
        "--json", curves,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    check(done.stdout, curves)
    with wave.open(str(said)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    pcm = (speech(2.0).astype(np.float32) / 32768 * 32767).astype(np.int16)
    np.testing.assert_allclose(sound[: pcm.size], pcm, atol=1)  # whole, and then a little silence
    assert not sound[pcm.size :].any()


def test_livekits_agent_speaks_and_moves(tmp_path: Path) -> None:
    curves = tmp_path / "curves.jsonl"
    done = run("livekit_agent.py", "--say", "Hello.", "--tts", voice(tmp_path), "--json", curves)
    assert done.returncode == 0, done.stderr
    check(done.stdout, curves)


def test_they_refuse_in_a_line() -> None:
    for name in ("pipecat_agent.py", "livekit_agent.py"):
        done = run(name, "--say", "Hello.", "--tts", "no-such-program-here")
        assert done.returncode == 2
        assert "no-such-program-here" in done.stderr
        assert "Traceback" not in done.stderr
