"""The microphone without a card: its clock, its devices, and what happens when it goes away."""

from __future__ import annotations

import random
import sys
import types
from typing import Any

import numpy as np
import pytest

from diffusiontalker.stream import StreamError
from diffusiontalker.stream.sources import microphone


def test_capture_clock_takes_the_fastest_block_of_its_window() -> None:
    rng = random.Random(1)
    clock = microphone.CaptureClock(48000, window_blocks=50)
    start_ns = 10**12
    for block in range(1, 500):
        end_ns = start_ns + block * 480 * 1_000_000_000 // 48000
        delay_ns = rng.choice([2_000_000, 2_000_000, 9_000_000, 30_000_000])
        clock.note(block * 480, end_ns + delay_ns)
    assert clock.capture_ns(48000) == start_ns + 1_000_000_000 + 2_000_000
    # Audio that the system lost makes all later blocks come late: the clock follows.
    for block in range(500, 560):
        clock.note(block * 480, start_ns + block * 10_000_000 + 2_000_000 + 700_000_000)
    assert clock.capture_ns(0) == start_ns + 702_000_000


class FakePortAudio(types.ModuleType):
    """Stands in for sounddevice: two inputs and an output; the first refuses 16 kHz."""

    class PortAudioError(Exception):
        pass

    def __init__(
        self, names: tuple[str, ...] = ("Mic USB", "Mic built-in", "Loud speaker")
    ) -> None:
        super().__init__("sounddevice")
        self.names = names
        self.default = types.SimpleNamespace(device=(1, 2))
        self.opened: dict[str, Any] = {}
        self.stream = types.SimpleNamespace(start=lambda: None, close=lambda: None, active=True)

    def query_hostapis(self) -> list[dict[str, str]]:
        return [{"name": "ALSA"}]

    def query_devices(self) -> list[dict[str, Any]]:
        return [
            {
                "index": i, "name": name, "hostapi": 0, "default_samplerate": 44100.0,
                "max_input_channels": 2 if "Mic" in name else 0,
            }
            for i, name in enumerate(self.names)
        ]  # fmt: skip

    def check_input_settings(self, *, device: int, samplerate: int, **_: Any) -> None:
        if device == 0 and samplerate == 16000:
            raise self.PortAudioError("Invalid sample rate [PaErrorCode -9997]")

    def InputStream(self, **options: Any) -> Any:
        self.opened = options
        return self.stream


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    fake = FakePortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_devices_go_by_number_name_or_part(portaudio: FakePortAudio) -> None:
    assert microphone.find_device(None).index == 1
    assert microphone.find_device("0").name == "Mic USB"
    assert microphone.find_device("Mic built-in").index == 1
    assert microphone.find_device("usb").index == 0
    with pytest.raises(StreamError, match=r"fits several.*0 'Mic USB', 1 'Mic built-in'"):
        microphone.find_device("mic")
    with pytest.raises(StreamError, match="no such input; there are: 0 'Mic USB'"):
        microphone.find_device("speaker")
    with pytest.raises(StreamError, match="no such input"):
        microphone.find_device("2")
    portaudio.names = ("Loud speaker",)
    with pytest.raises(StreamError, match=r"no microphone: .*--wav FILE"):
        microphone.find_device(None)


def test_rate_falls_back_to_the_devices_own(portaudio: FakePortAudio) -> None:
    assert microphone.Microphone("usb").sample_rate == 44100
    assert microphone.Microphone("built-in").sample_rate == 16000


def test_blocks_are_handed_on_up_to_the_limit(portaudio: FakePortAudio) -> None:
    source = microphone.Microphone("built-in", limit_s=0.025)
    got: list[np.ndarray] = []
    source.start(lambda block: got.append(block) or len(block))
    fine = types.SimpleNamespace(input_overflow=False, input_underflow=False)
    lossy = types.SimpleNamespace(input_overflow=True, input_underflow=False)
    block = np.arange(320, dtype=np.float32).reshape(160, 2)
    for status in (fine, lossy, fine, fine):
        portaudio.opened["callback"](block, 160, None, status)
    assert [len(b) for b in got] == [160, 160, 80]
    np.testing.assert_array_equal(got[0], block[:, 0])
    assert source.finished
    assert source.lost_blocks == 1
    source.pump(0.0)
    source.stop()


def test_a_callback_never_raises_and_the_loop_hears_of_it(portaudio: FakePortAudio) -> None:
    source = microphone.Microphone("built-in")

    def push(_: np.ndarray) -> int:
        raise ValueError("chunk: sample 3 is nan")

    source.start(push)
    status = types.SimpleNamespace(input_overflow=False, input_underflow=False)
    portaudio.opened["callback"](np.zeros((160, 1), np.float32), 160, None, status)
    with pytest.raises(StreamError, match="'Mic built-in': chunk: sample 3"):
        source.pump(0.0)


def test_a_device_that_is_gone_is_noticed(portaudio: FakePortAudio) -> None:
    source = microphone.Microphone("built-in")
    source.start(len)
    source.pump(0.0)
    portaudio.stream.active = False
    with pytest.raises(StreamError, match="was it unplugged"):
        source.pump(0.0)


def test_missing_portaudio_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLibrary:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoLibrary(), *sys.meta_path])
    for platform, words in (("linux", "libportaudio2"), ("darwin", "brew"), ("win32", "pip")):
        monkeypatch.setattr(sys, "platform", platform)
        with pytest.raises(StreamError, match=f"needs the PortAudio library: .*{words}"):
            microphone.load_portaudio()
