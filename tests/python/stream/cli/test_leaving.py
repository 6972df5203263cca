"""Ctrl-C at moments when an exception would be lost."""

from __future__ import annotations

import io
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import pytest
import soundfile

from diffusiontalker.stream.cli import command


@pytest.mark.parametrize("how", [command.raised, command.deferred])
def test_ctrl_c_counts_inside_the_reader_of_sound(
    how: Callable[[], AbstractContextManager[None]],
) -> None:
    class Pressed(io.BytesIO):
        times = 0

        def seek(self, offset: int, whence: int = 0, /) -> int:
            Pressed.times += 1
            if Pressed.times == 1:
                signal.raise_signal(signal.SIGINT)
            return super().seek(offset, whence)

    file = io.BytesIO()
    soundfile.write(file, np.zeros(1600, np.float32), 16000, format="WAV")
    pressed = Pressed(file.getvalue())

    def read_and_wait() -> None:
        if how is command.deferred:
            signal.raise_signal(signal.SIGINT)  # the first one waits, the second does not
        soundfile.read(pressed)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            time.sleep(0.01)
        pytest.fail("it was lost")

    with pytest.raises(command.Left), how():
        read_and_wait()
    assert pressed.times
