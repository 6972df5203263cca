"""A sound card's input as a source. The only module that knows sounddevice (PortAudio)."""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import StreamError

#: The runtime's own rate: no resampler, so the least look-ahead.
PREFERRED_RATE_HZ = 16000
#: Audio in a callback, seconds.
BLOCK_S = 0.01
#: A device that delivers nothing for so long is taken for unplugged, seconds. The first block may
#: take longer: sound servers need over a second to wake.
SILENT_DEVICE_S = 2.0
FIRST_BLOCK_S = 10.0
# Closing a device takes milliseconds, unless it hangs.
_CLOSE_S = 3.0


@dataclass(frozen=True)
class Device:
    """An input that PortAudio offers."""

    index: int
    name: str
    host: str  #: the system's audio interface: ALSA, Core Audio, Windows WASAPI ...
    channels: int
    rate_hz: float  #: what it runs at when nobody asks
    default: bool


def load_portaudio() -> Any:
    """The sounddevice module. Raises StreamError with the remedy when PortAudio is missing."""
    try:
        import sounddevice
    except ImportError:
        raise StreamError(
            "the microphone needs the Python package sounddevice: pip install sounddevice"
        ) from None
    except OSError:
        # The wheels for macOS and Windows carry PortAudio; Linux takes it from the system.
        remedy = {
            "darwin": "pip install --force-reinstall sounddevice (or: brew install portaudio)",
            "win32": "pip install --force-reinstall sounddevice",
        }.get(
            sys.platform,
            "sudo apt install libportaudio2 (Fedora: sudo dnf install portaudio, "
            "Arch: sudo pacman -S portaudio)",
        )
        raise StreamError(f"the microphone needs the PortAudio library: {remedy}") from None
    return sounddevice


def list_devices() -> list[Device]:
    """Every input of this machine. Raises StreamError without PortAudio."""
    sounddevice = load_portaudio()
    try:
        hosts = sounddevice.query_hostapis()
        default = sounddevice.default.device[0]
        return [
            Device(
                index=int(d["index"]),
                name=str(d["name"]),
                host=str(hosts[d["hostapi"]]["name"]),
                channels=int(d["max_input_channels"]),
                rate_hz=float(d["default_samplerate"]),
                default=d["index"] == default,
            )
            for d in sounddevice.query_devices()
            if d["max_input_channels"] > 0
        ]
    except sounddevice.PortAudioError as error:
        raise StreamError(f"PortAudio cannot list the devices: {_reason(error)}") from None


def find_device(wanted: str | None) -> Device:
    """The input called `wanted`: its index, its name, or a part of its name that fits one only.

    None is the system's default. Raises StreamError that says what there is.
    """
    devices = list_devices()
    if not devices:
        raise StreamError(
            "no microphone: PortAudio finds no input device; "
            "plug one in, or play a file with --wav FILE"
        )
    if wanted is None:
        return next((d for d in devices if d.default), devices[0])
    if wanted.isdigit():
        found = [d for d in devices if d.index == int(wanted)]
    else:
        found = [d for d in devices if d.name == wanted]
        found = found or [d for d in devices if wanted.lower() in d.name.lower()]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{d.index} {d.name!r}" for d in (found or devices))
    if found:
        raise StreamError(f"--device {wanted}: fits several, give the number: {listed}")
    raise StreamError(f"--device {wanted}: no such input; there are: {listed}")


class CaptureClock:
    """When each sample was captured, from when blocks arrived.

    A block arrives late by a varying amount and never early, so the smallest (arrival - position)
    of the last seconds is the best estimate of the clock's offset. What the device itself holds
    back before it hands over a block is not in it.
    """

    def __init__(self, rate_hz: int, window_blocks: int = 256) -> None:
        self._rate_hz = rate_hz
        self._offsets_ns = [0] * window_blocks
        self._count = 0

    def note(self, end_position: int, arrival_ns: int) -> None:
        """A block that ended before sample `end_position` came at `arrival_ns` (monotonic)."""
        offset = arrival_ns - end_position * 1_000_000_000 // self._rate_hz
        if self._count == 0:
            self._offsets_ns = [offset] * len(self._offsets_ns)
        self._offsets_ns[self._count % len(self._offsets_ns)] = offset
        self._count += 1

    def capture_ns(self, position: int) -> int:
        """Monotonic time at which sample `position` was captured."""
        return min(self._offsets_ns) + position * 1_000_000_000 // self._rate_hz


class Microphone:
    """An input device that calls `push` from PortAudio's thread."""

    def __init__(self, wanted: str | None = None, *, limit_s: float | None = None) -> None:
        """Finds the device and a rate that it takes; `limit_s` ends it. Raises StreamError."""
        self.duration_s = limit_s
        self._sounddevice = load_portaudio()
        self.device = find_device(wanted)
        self.name = self.device.name
        self.finished = False
        self.lost_blocks = 0  #: times that the system dropped audio before it reached us
        self._position = 0
        self._arrival_ns = 0
        self._failure: BaseException | None = None
        self._stream: Any = None
        rates = (PREFERRED_RATE_HZ, int(self.device.rate_hz))
        # One channel where the device has such a mode, else all of them and the first is used.
        for rate, channels in ((r, c) for c in (1, self.device.channels) for r in rates):
            try:
                self._sounddevice.check_input_settings(
                    device=self.device.index, channels=channels, dtype="float32", samplerate=rate
                )
            except self._sounddevice.PortAudioError as error:
                reason = _reason(error)
                continue
            self.sample_rate, self._channels = rate, channels
            break
        else:
            raise StreamError(f"microphone {self.name!r} cannot be opened: {reason}")
        self._limit = None if limit_s is None else max(1, round(limit_s * self.sample_rate))
        self._clock = CaptureClock(self.sample_rate)

    def start(self, push: Callable[[NDArray[np.float32]], int]) -> None:
        """Opens the device. Raises StreamError when it is taken or gone."""
        self._push = push
        self._started_ns = time.monotonic_ns()
        try:
            self._stream = self._sounddevice.InputStream(
                device=self.device.index,
                channels=self._channels,
                dtype="float32",
                samplerate=self.sample_rate,
                blocksize=round(BLOCK_S * self.sample_rate),
                latency="low",
                callback=self._callback,
            )
            self._stream.start()
        except self._sounddevice.PortAudioError as error:
            raise StreamError(
                f"microphone {self.name!r} cannot be opened: {_reason(error)}"
            ) from None

    def _callback(self, data: NDArray[np.float32], frames: int, _time: Any, status: Any) -> None:
        # PortAudio's thread: hand the block on, note when it came, and nothing else.
        now_ns = time.monotonic_ns()
        if self.finished:
            return
        try:
            if status.input_overflow or status.input_underflow:
                self.lost_blocks += 1
            self._clock.note(self._position + frames, now_ns)
            self._arrival_ns = now_ns
            if self._limit is not None:
                frames = min(frames, self._limit - self._position)
            self._push(np.ascontiguousarray(data[:frames, 0]))
            self._position += frames
            self.finished = self._position == self._limit
        except Exception as error:
            self._failure = error

    def pump(self, heard_s: float) -> None:
        """Checks that the device still delivers. Raises StreamError when it does not."""
        if self._failure is not None:
            raise StreamError(f"microphone {self.name!r}: {self._failure}")
        if self.finished:
            return
        now_ns = time.monotonic_ns()
        last_ns = self._arrival_ns or self._started_ns
        limit_s = SILENT_DEVICE_S if self._arrival_ns else FIRST_BLOCK_S
        if not self._stream.active or now_ns - last_ns > limit_s * 1e9:
            said = "stopped delivering audio" if self._arrival_ns else "delivers no audio"
            raise StreamError(f"microphone {self.name!r} {said}; was it unplugged?")

    def capture_ns(self, position: int) -> int:
        """Monotonic time at which sample `position` reached this program."""
        return self._clock.capture_ns(position)

    def stop(self) -> None:
        """Closes the device; no block is pushed after it."""
        if self._stream is None:
            return
        self.finished = True
        stream, self._stream = self._stream, None
        # Closing waits for the device's thread, and some sound servers never let that thread go
        # when they die (ALSA's pulse plugin deadlocks): do not wait for ever with it.
        closer = threading.Thread(target=self._close, args=(stream,), daemon=True)
        closer.start()
        closer.join(_CLOSE_S)
        if closer.is_alive():
            # What sounddevice does at exit would hang in the same place.
            atexit.unregister(getattr(self._sounddevice, "_exit_handler", _nothing))

    def _close(self, stream: Any) -> None:
        # A device that is gone cannot be closed.
        with contextlib.suppress(self._sounddevice.PortAudioError):
            stream.close()


def _nothing() -> None:
    pass


def _reason(error: Exception) -> str:
    text = str(error).split(" [PaErrorCode")[0]
    return text.removeprefix("Error opening InputStream: ") or type(error).__name__
