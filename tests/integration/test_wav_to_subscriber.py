"""A sound file -> dt-stream -> a stranger's subscriber in another process."""

from __future__ import annotations

import csv
import itertools
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from processes import (
    PATIENCE_S,
    Message,
    Start,
    command,
    error_line,
    parse,
    run,
    subscribe,
    wait_for_frames,
)

from diffusiontalker.curves import CURVES, pascal_case

CLOSING, NEUTRAL = 1, 2


def check_stream(messages: list[Message]) -> tuple[list[Message], list[Message]]:
    """What holds for every stream that was heard to its end: (model's frames, closing frames)."""
    assert messages[0].kind == "schema"
    schema = messages[0].fields[3]
    assert schema["curves"] == list(CURVES)
    session = messages[0].fields[2]
    assert all(m.fields[0] == 1 and m.fields[2] == session for m in messages)
    for m in messages:
        assert m.topic == f"dt/{schema['subject']}/{m.kind}"
        if m.kind == "schema":
            assert m.fields == messages[0].fields
    bye = messages[-1]
    assert bye.kind == "bye"

    frames = [m for m in messages if m.kind == "frame"]
    sequence = [m.fields[3] for m in frames]
    assert sequence == list(range(sequence[0], bye.fields[3]))
    index = [m.fields[4] for m in frames]
    assert index == list(range(index[0], index[0] + len(index)))
    for m in frames:
        num, den, position, rate = m.fields[5:9]
        assert (num, den, rate) == (schema["rate_num"], schema["rate_den"], schema["audio_rate"])
        assert position == m.fields[4] * den * rate // num
        assert len(m.fields[11]) == len(CURVES)
        assert np.isfinite(m.fields[11]).all()
        assert m.size <= 320
    assert all(b.fields[9] > a.fields[9] for a, b in itertools.pairwise(frames))

    closing = [m for m in frames if m.fields[10] & CLOSING]
    assert frames[-len(closing) :] == closing
    assert closing[-1].fields[10] == CLOSING | NEUTRAL
    assert not any(closing[-1].fields[11])
    sums = [sum(m.fields[11]) for m in frames[-len(closing) - 1 :]]
    assert sums == sorted(sums, reverse=True), "the face closes without opening again"
    return frames[: -len(closing)], closing


def test_a_file_reaches_a_stranger_whole(
    start: Start, endpoint: str, bundle: Path, tmp_path: Path
) -> None:
    subscriber = subscribe(start, endpoint)
    out = tmp_path / "face.csv"
    stream = start(
        *command("dt-stream"), "--demo", "--seconds", 3, "--bundle", bundle, "--bind", endpoint,
        "--subject", "anna", "--out", out,
    )  # fmt: skip
    messages = [parse(line) for line in subscriber.rest()]
    assert stream.finish() == (0, "")
    frames, closing = check_stream(messages)
    assert messages[-1].fields[4] == "end of the audio"
    assert len(closing) == 12
    assert sum(m.kind == "schema" for m in messages) >= 3, "the schema is repeated each second"

    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 180
    assert frames[-1].fields[4] == 179
    for m in frames:
        row = rows[m.fields[4]]
        recorded = np.array([row[pascal_case(c)] for c in CURVES], np.float32)
        np.testing.assert_allclose(recorded, m.fields[11], atol=1e-9)

    # On one machine the clocks are the same: no frame comes before the sound that it needs, bar
    # those that the end of the audio sets free early.
    schema = messages[0].fields[3]
    late_ms = [(m.arrival_ns - m.fields[9]) / 1e6 for m in frames if m.fields[4] < 170]
    assert min(late_ms) > schema["lookahead_ms"] - 1
    assert np.median(late_ms) < 2000
    summary = stream.rest()[-1]
    assert "180 frames at 60 Hz from 3.00 s of audio" in summary
    assert "real-time factor" in summary
    assert "look-ahead" in summary


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_face(
    start: Start, endpoint: str, bundle: Path, tmp_path: Path, number: signal.Signals
) -> None:
    subscriber = subscribe(start, endpoint)
    out = tmp_path / "face.csv"
    stream = start(
        *command("dt-stream"), "--demo", "--seconds", 600, "--bundle", bundle, "--bind", endpoint,
        "--out", out,
    )  # fmt: skip
    messages = wait_for_frames(subscriber, 30)
    stream.popen.send_signal(number)
    messages += [parse(line) for line in subscriber.rest()]
    assert stream.finish() == (0, "")
    frames, _ = check_stream(messages)
    assert messages[-1].fields[4] == "stopped by the user"
    rows = out.read_text().splitlines()[1:]
    assert len(rows) == frames[-1].fields[4] + 1
    assert "frames at 60 Hz" in stream.rest()[-1]


def test_one_who_comes_late_gets_the_schema_first(
    start: Start, endpoint: str, bundle: Path
) -> None:
    stream = start(
        *command("dt-stream"), "--demo", "--seconds", 600, "--bundle", bundle, "--bind", endpoint
    )
    early = subscribe(start, endpoint)
    wait_for_frames(early, 5)
    late = [subscribe(start, endpoint) for _ in range(3)]
    for subscriber in late:
        messages = wait_for_frames(subscriber, 5)
        assert messages[0].kind == "schema"
        assert [m.kind for m in messages].count("frame") == 5
    stream.popen.send_signal(signal.SIGINT)
    for subscriber in (early, *late):
        assert parse(subscriber.rest()[-1]).kind == "bye"
    assert stream.finish()[0] == 0


def test_subscribers_come_and_go(start: Start, endpoint: str, bundle: Path) -> None:
    stream = start(
        *command("dt-stream"), "--demo", "--seconds", 600, "--bundle", bundle, "--bind", endpoint
    )
    for _ in range(5):
        subscriber = subscribe(start, endpoint)
        wait_for_frames(subscriber, 2)
        subscriber.popen.kill()
        subscriber.popen.wait()
    last = subscribe(start, endpoint)
    messages = wait_for_frames(last, 30)
    stream.popen.send_signal(signal.SIGINT)
    messages += [parse(line) for line in last.rest()]
    check_stream(messages)
    assert stream.finish()[0] == 0


def test_watch_follows_a_sender_through_a_restart(
    start: Start, endpoint: str, bundle: Path
) -> None:
    watch = start(*command("dt-watch"), endpoint, "--json")
    arguments = ("--demo", "--seconds", "1.5", "--bundle", bundle, "--bind", endpoint, "--quiet")
    sessions = []
    for _ in range(2):
        stream = start(*command("dt-stream"), *arguments)
        while '"kind": "bye"' not in (line := watch.next_line() or ""):
            assert line, "dt-watch ended early"
            if '"kind": "schema"' in line:
                sessions.append(line.split('"session": ')[1].split(",")[0])
        assert stream.finish() == (0, "")
        assert stream.rest() == []
    assert len(set(sessions)) == 2
    watch.popen.send_signal(signal.SIGINT)
    assert watch.finish() == (0, "")


def test_watch_in_lines(start: Start, endpoint: str, bundle: Path) -> None:
    stream = start(
        *command("dt-stream"), "--demo", "--seconds", 600, "--bundle", bundle, "--bind", endpoint
    )
    watch = start(*command("dt-watch"), endpoint)
    for _ in range(60):
        line = watch.next_line()
        assert line is not None
        if "model random" in line and " fps" in line:
            break
    else:
        pytest.fail("dt-watch never showed the stream")
    watch.popen.send_signal(signal.SIGINT)
    assert watch.finish() == (0, "")
    assert "lost 0" in watch.rest()[-1]
    stream.popen.send_signal(signal.SIGINT)
    assert stream.finish()[0] == 0


def test_watch_says_when_nobody_is_there(endpoint: str) -> None:
    line = error_line(run("dt-watch", endpoint, "--seconds", 0.5))
    assert f"nothing came from {endpoint} in 0.5 s; is dt-stream running there?" in line
    assert "expected tcp://HOST:PORT" in error_line(run("dt-watch", "nonsense"))


def test_a_port_in_use_is_one_line(start: Start, endpoint: str, bundle: Path) -> None:
    stream = start(
        *command("dt-stream"), "--demo", "--seconds", 600, "--bundle", bundle, "--bind", endpoint
    )
    wait_for_frames(subscribe(start, endpoint), 1)
    line = error_line(run("dt-stream", "--demo", "--bundle", bundle, "--bind", endpoint))
    assert f"{endpoint} is in use" in line
    assert "--bind" in line
    stream.popen.send_signal(signal.SIGINT)
    assert stream.finish()[0] == 0


def test_a_reader_who_leaves_ends_it_quietly(endpoint: str, bundle: Path) -> None:
    popen = subprocess.Popen(
        [
            *command("dt-stream"), "--demo", "--seconds", "600", "--bundle", str(bundle),
            "--bind", endpoint,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert popen.stdout is not None
    assert popen.stderr is not None
    assert endpoint.encode() in popen.stdout.readline()
    popen.stdout.close()
    assert popen.wait(PATIENCE_S) == 0
    assert popen.stderr.read() == b""
    popen.stderr.close()
