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
from .channels import LevelCheck, LoudestChannel

#: The runtime's own rate: no resampler, so the least look-ahead.
PREFERRED_RATE_HZ = 16000
#: Audio in a callback, seconds.
BLOCK_S = 0.01
#: A device that delivers nothing for so long is taken for unplugged, seconds. The first block may
#: take longer: sound servers need over a second to wake.
SILENT_DEVICE_S = 2.0
FIRST_BLOCK_S = 10.0
#: How often a device that went away is looked for, seconds.
RETRY_S = 0.5
# Tried after 16 kHz and the rate that the system names, which need not be one that it opens at.
_OTHER_RATES_HZ = (48000, 44100, 32000)
# Opened at once to find the voice: more than that are a sound server's, not sockets.
_MOST_CHANNELS = 8
# Inputs that hear what the machine plays, in lower case.
_LOOPBACKS = (
    "stereo mix", "what u hear", "wave out mix", "rec. playback", "monitor of", ".monitor",
    "loopback", "blackhole", "soundflower", "cable output",
)  # fmt: skip
# Blocks that come so long after each other have a pause between them, nanoseconds.
_PAUSE_NS = 1_000_000_000
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


def list_anew(sounddevice: Any) -> None:
    """Initialises PortAudio again, which lists devices then only. Raises PortAudioError.

    Not by sounddevice's own function (0.5.6): that one points descriptor 2 at /dev/null meanwhile,
    and what other threads have to say on stderr is lost.
    """
    with contextlib.suppress(sounddevice.PortAudioError):
        sounddevice._terminate()  # refused where the last attempt to initialise failed
    code = sounddevice._lib.Pa_Initialize()
    if code:
        raise sounddevice.PortAudioError("Error initializing PortAudio", code)
    sounddevice._initialized += 1


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
        found = [d for d in devices if wanted in (d.name, f"{d.name}, {d.host}")]
        found = found or [d for d in devices if wanted.lower() in d.name.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        raise StreamError(f"--device {wanted}: fits several, give the number: {_listed(found)}")
    raise StreamError(f"--device {wanted}: no such input; there are: {_listed(devices)}")


def _listed(devices: list[Device]) -> str:
    return ", ".join(f"{d.index} {d.name!r} ({d.host}, {d.channels} ch)" for d in devices)


def is_loopback(name: str) -> bool:
    """Whether an input of that name hears what the machine plays, and no room."""
    return any(part in name.lower() for part in _LOOPBACKS)


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
        self._arrival_ns = 0

    def note(self, end_position: int, arrival_ns: int) -> None:
        """A block that ended before sample `end_position` came at `arrival_ns` (monotonic)."""
        offset = arrival_ns - end_position * 1_000_000_000 // self._rate_hz
        # After a pause what was known before says nothing: the machine may have slept.
        if self._count == 0 or arrival_ns - self._arrival_ns > _PAUSE_NS:
            self._offsets_ns = [offset] * len(self._offsets_ns)
        self._arrival_ns = arrival_ns
        self._offsets_ns[self._count % len(self._offsets_ns)] = offset
        self._count += 1

    def capture_ns(self, position: int) -> int:
        """Monotonic time at which sample `position` was captured."""
        return min(self._offsets_ns) + position * 1_000_000_000 // self._rate_hz


class InputDevice:
    """An input that is open, and is opened again whenever it has gone and come back.

    Whoever is in `taps` gets every block: (n, channels) samples and when they came, nanoseconds of
    the monotonic clock, on PortAudio's thread.
    """

    def __init__(
        self, wanted: str | None = None, *, channel: int | None = None, alone: bool = True
    ) -> None:
        """Opens the device at a rate that it takes, 16 kHz if it can.

        `channel`: the highest that must be there, from 1 on. `alone`: nothing else in this program
        uses PortAudio, so it may be initialised again to find what was plugged in. Raises
        StreamError.
        """
        self._alone = alone
        self._sounddevice = load_portaudio()
        self.notices: list[str] = []  #: what a user should know, a line each
        self.device = find_device(wanted)
        if wanted is None:
            self._leave_loopback()
        self.name = self.device.name
        self.lost_blocks = 0  #: times that the system dropped audio before it reached us
        self.unplugged = 0  #: times that the device went away
        self.taps: list[Callable[[NDArray[np.float32], int], None]] = []
        self._arrival_ns = 0
        self._failure: BaseException | None = None
        self._checking = threading.Lock()
        self._closed = threading.Event()
        self._closers: list[threading.Thread] = []
        self._gone_ns = 0  # when it went away; 0 while it is here
        self._started_ns = time.monotonic_ns()
        if channel is not None and channel > self.device.channels:
            raise StreamError(
                f"channel {channel}: microphone {self.name!r} has "
                f"{self.device.channels} ({_listed([self.device])})"
            )
        self._stream: Any = None
        self.sample_rate = self.channels = 0
        self._open_first(channel)

    def _leave_loopback(self) -> None:
        """The default input may hear what this machine plays: rather take one that hears a room."""
        if not is_loopback(self.device.name):
            return
        others = [d for d in list_devices() if not is_loopback(d.name)]
        others.sort(key=lambda d: d.host != self.device.host)
        default = self.device.name
        if others:
            self.device = others[0]
        self.notices.append(
            f"the default input {default!r} hears what this machine plays, no voice: "
            + (f"took {self.device.name!r} instead; " if others else "there is no other; ")
            + "--device chooses one (dt-stream devices)"
        )

    def _open_first(self, channel: int | None) -> None:
        has = self.device.channels
        if channel is not None:
            counts = [channel, has]
        else:
            # All of them, to find the one with the voice; a sound server claims dozens.
            counts = [has if has <= _MOST_CHANNELS else 2, 1, has]
        rates = [PREFERRED_RATE_HZ, int(self.device.rate_hz), *_OTHER_RATES_HZ]
        reasons: list[str] = []
        for count in dict.fromkeys(counts):
            for rate in dict.fromkeys(rates):
                try:
                    self._stream = self._open(self.device, rate, count)
                except self._sounddevice.PortAudioError as error:
                    reasons.append(_reason(error))
                else:
                    self.sample_rate, self.channels = rate, count
                    return
        raise StreamError(f"microphone {self.name!r} cannot be opened: {reasons[0]}")

    def _open(self, device: Device, rate: int, channels: int) -> Any:
        """A running stream. Raises PortAudioError: only opening tells what a device takes."""
        self._sounddevice.check_input_settings(
            device=device.index, channels=channels, dtype="float32", samplerate=rate
        )
        stream = self._sounddevice.InputStream(
            device=device.index,
            channels=channels,
            dtype="float32",
            samplerate=rate,
            blocksize=round(BLOCK_S * rate),
            latency="low",
            callback=self._callback,
        )
        try:
            stream.start()
        except self._sounddevice.PortAudioError:
            self._close(stream)
            raise
        return stream

    def _callback(self, data: NDArray[np.float32], frames: int, _time: Any, status: Any) -> None:
        # PortAudio's thread: hand the block on, note when it came, and nothing else.
        now_ns = time.monotonic_ns()
        try:
            if status.input_overflow or status.input_underflow:
                self.lost_blocks += 1
            self._arrival_ns = now_ns
            for tap in self.taps:
                tap(data[:frames], now_ns)
        except Exception as error:
            self._failure = error

    def check(self) -> None:
        """Sees to it that the device is there; call it often. Raises StreamError."""
        if self._failure is not None:
            raise StreamError(f"microphone {self.name!r}: {self._failure}")
        if self._closed.is_set() or not self._checking.acquire(blocking=False):
            return
        try:
            self._check(time.monotonic_ns())
        finally:
            self._checking.release()

    def _check(self, now_ns: int) -> None:
        stream = self._stream
        if stream is None:
            return  # somebody is trying to open it again
        if self._gone_ns and self._arrival_ns > self._started_ns:
            away_s = (self._arrival_ns - self._gone_ns) / 1e9
            self._gone_ns = 0
            self.notices.append(f"microphone {self.name!r} is back after {away_s:.1f} s")
        heard = self._arrival_ns > self._started_ns
        last_ns = self._arrival_ns if heard else self._started_ns
        limit_s = SILENT_DEVICE_S if heard or self.unplugged else FIRST_BLOCK_S
        if stream.active and now_ns - last_ns <= limit_s * 1e9:
            return
        if not heard and not self.unplugged:
            raise StreamError(
                f"microphone {self.name!r} delivers no audio; was it unplugged, or does another "
                "program hold it?"
            )
        if not self._gone_ns:
            self._gone_ns = last_ns
            self.unplugged += 1
            self.notices.append(
                f"microphone {self.name!r} stopped delivering audio; was it unplugged? The face "
                "rests until it is back"
            )
        self._stream = None
        threading.Thread(
            target=self._take_up_again, args=(stream,), name="dt-stream device", daemon=True
        ).start()

    def _take_up_again(self, lost: Any) -> None:
        """Opens the device when it is there again; on a thread of its own, for it may hang."""
        self._discard(lost, wait_s=_CLOSE_S)
        while not self._closed.wait(RETRY_S):
            stream = self._try_again()
            if stream is None:
                continue
            if self._closed.is_set():
                self._discard(stream, wait_s=_CLOSE_S)
                return
            self._started_ns = time.monotonic_ns()
            self._stream = stream
            return

    def _try_again(self) -> Any:
        try:
            return self._open(self.device, self.sample_rate, self.channels)
        except Exception:
            # PortAudio's list is of the time when it was initialised. It cannot be asked anew while
            # a stream hangs in it, or sound comes out.
            busy = any(c.is_alive() for c in self._closers)
            if busy or self._closed.is_set() or not self._alone:
                return None
        try:
            list_anew(self._sounddevice)
            same = [
                d
                for d in list_devices()
                if (d.name, d.host) == (self.device.name, self.device.host)
            ]
            if same:
                self.device = same[0]
                return self._open(self.device, self.sample_rate, self.channels)
        except Exception:
            pass  # not there yet; whatever PortAudio says of it, the next try may do
        return None

    def close(self) -> None:
        """Closes the device; no block comes after it. May be called twice."""
        self._closed.set()
        self.taps = []
        stream, self._stream = self._stream, None
        if stream is not None:
            self._discard(stream, wait_s=_CLOSE_S)
        if any(c.is_alive() for c in self._closers):
            # What sounddevice does at exit would hang in the same place.
            atexit.unregister(getattr(self._sounddevice, "_exit_handler", _nothing))

    def _discard(self, stream: Any, wait_s: float) -> None:
        # Closing waits for the device's thread, and some sound servers never let that thread go
        # when they die (ALSA's pulse plugin deadlocks): do not wait for ever with it.
        closer = threading.Thread(target=self._close, args=(stream,), daemon=True)
        self._closers.append(closer)
        closer.start()
        closer.join(wait_s)

    def _close(self, stream: Any) -> None:
        # A device that is gone cannot be closed.
        with contextlib.suppress(self._sounddevice.PortAudioError):
            stream.close()


class Microphone:
    """A voice at an input device: one of its channels, which pauses when the device goes away."""

    may_pause = True
    realtime = True

    def __init__(
        self,
        wanted: str | None = None,
        *,
        limit_s: float | None = None,
        channel: int | None = None,
        device: InputDevice | None = None,
    ) -> None:
        """Opens the device, or shares `device` with others; `limit_s` ends it.

        `channel` is counted from 1; None follows the channel that is spoken into. Raises
        StreamError.
        """
        self.device = device or InputDevice(wanted, channel=channel)
        self.duration_s = limit_s
        self.name = self.device.name if channel is None else f"{self.device.name}, {channel}"
        self.sample_rate = self.device.sample_rate
        self.finished = False
        self.notices = self.device.notices
        self._channel = channel
        self._loudest = LoudestChannel(self.device.channels, self.sample_rate)
        self._level = LevelCheck(self.sample_rate)
        self._told = False
        self._position = 0
        self._limit = None if limit_s is None else max(1, round(limit_s * self.sample_rate))
        self._clock = CaptureClock(self.sample_rate)

    @property
    def lost_blocks(self) -> int:
        """Times that the system dropped audio before it reached us."""
        return self.device.lost_blocks

    @property
    def unplugged(self) -> int:
        """Times that the device went away."""
        return self.device.unplugged

    def start(self, push: Callable[[NDArray[np.float32]], int]) -> None:
        """Hands on what comes from now on."""
        self._push = push
        self.device.taps.append(self._hear)

    def _hear(self, data: NDArray[np.float32], now_ns: int) -> None:
        if self.finished:
            return
        if self._channel is None:
            block = self._loudest.pick(data)
        else:
            block = np.ascontiguousarray(data[:, self._channel - 1])
        if self._limit is not None:
            block = block[: self._limit - self._position]
        self._level.note(block)
        self._position = self._push(block)
        self._clock.note(self._position, now_ns)
        self.finished = self._limit is not None and self._position >= self._limit

    def pump(self, heard_s: float) -> None:
        """Looks after the device and the level. Raises StreamError where nothing will come."""
        if self.finished:
            return
        self.device.check()
        if self.duration_s is not None and heard_s >= self.duration_s:
            self.finished = True  # it may have ended in a pause
        if (self._level.silent or self._level.quiet) and not self._told:
            self._told = True
            self.notices.append(_level_notice(self.name, self._level))

    def capture_ns(self, position: int) -> int:
        """Monotonic time at which sample `position` reached this program."""
        return self._clock.capture_ns(position)

    def stop(self) -> None:
        """Closes the device if nobody else hears it; no block is pushed after it."""
        self.finished = True
        with contextlib.suppress(ValueError):
            self.device.taps.remove(self._hear)
        if not self.device.taps:
            self.device.close()


def _level_notice(name: str, level: LevelCheck) -> str:
    settings = {
        "darwin": "System Settings > Privacy & Security > Microphone",
        "win32": "Settings > Privacy > Microphone",
    }.get(sys.platform, "pavucontrol or alsamixer")
    if level.silent:
        what = "nothing but silence" if level.loudest_db < -115 else f"{level.loudest_db:.0f} dB"
        return (
            f"microphone {name!r} gives {what}: is it muted, or this program not allowed to hear "
            f"it ({settings})? Another input: dt-stream devices, then --device"
        )
    return (
        f"microphone {name!r} is very quiet (speech at {level.loudest_db:.0f} dB, expected above "
        f"-40): turn its input level up ({settings}) or come closer"
    )


def _nothing() -> None:
    pass


def _reason(error: Exception) -> str:
    text = str(error).split(" [PaErrorCode")[0]
    return text.removeprefix("Error opening InputStream: ") or type(error).__name__
