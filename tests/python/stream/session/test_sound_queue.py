"""Sound on its way to the outputs: pieces, true positions, holes."""

from __future__ import annotations

import numpy as np

from diffusiontalker.stream.session.sound_queue import SoundQueue, as_s16le


def test_sound_is_cut_into_messages_with_true_positions() -> None:
    queue = SoundQueue(16000)
    sound = np.linspace(-1.2, 1.2, 1000, dtype=np.float32)
    block = np.empty(160, np.float32)
    pieces: list[tuple[int, np.ndarray]] = []
    for start in range(0, 1000, 160):
        part = sound[start : start + 160]
        block[: len(part)] = part  # as a sound card does, into the same buffer each time
        queue.note(start, block[: len(part)])
        block[:] = np.nan
        if start % 480 == 0:
            pieces += queue.take()
    assert [p for p, _ in pieces] == [0, 320, 640]
    pieces += queue.take(rest=True)
    assert [(p, len(s)) for p, s in pieces] == [(0, 320), (320, 320), (640, 320), (960, 40)]
    heard = np.frombuffer(b"".join(as_s16le(s) for _, s in pieces), "<i2")
    np.testing.assert_array_equal(heard, np.clip(np.rint(sound * 32767.0), -32768, 32767))
    np.testing.assert_array_equal(np.concatenate([s for _, s in pieces]), sound)
    assert queue.take(rest=True) == []


def test_sound_that_was_lost_leaves_a_hole_in_the_positions() -> None:
    queue = SoundQueue(16000)
    for i in range(1005):
        queue.note(4 * i, np.array([np.nan, np.inf, 0.5, -0.5], np.float32))
    pieces = queue.take(rest=True)
    assert pieces[0][0] == 5 * 4
    assert sum(len(s) for _, s in pieces) == 1000 * 4
    assert np.frombuffer(as_s16le(pieces[0][1]), "<i2")[:4].tolist() == [0, 0, 16384, -16384]
    queue.note(1005 * 4, np.ones(3, np.float32))
    for i in range(1001):
        queue.note(1005 * 4 + 3 + 4 * i, np.ones(4, np.float32))
    positions = [p for p, _ in queue.take(rest=True)]
    assert positions[0] == 1005 * 4 + 3 + 4
