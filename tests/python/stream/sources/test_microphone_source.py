"""The microphone without a card: its clock, its devices, and what happens when it goes away."""

from __future__ import annotations

import os
import random
import re
import sys
import time
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
    # After a pause nothing that was known before counts.
    clock.note(560 * 480, start_ns + 560 * 10_000_000 + 9_000_000_000)
    assert clock.capture_ns(0) == start_ns + 9_000_000_000


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
        self.refused_at_open: tuple[int, ...] = ()
        self.gone = False

        self._initialized = 1
        self._lib = types.SimpleNamespace(Pa_Initialize=self.initialise)

    def _terminate(self) -> None:
        if not self._initialized:
            raise self.PortAudioError("PortAudio not initialized [PaErrorCode -10000]")
        self._initialized -= 1

    def initialise(self) -> int:
        return 0

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
        if options["samplerate"] in self.refused_at_open or self.gone:
            raise self.PortAudioError("Invalid device [PaErrorCode -9996]")
        self.opened = options
        self.stream = types.SimpleNamespace(start=lambda: None, close=lambda: None, active=True)
        return self.stream

    def say(self, samples: np.ndarray, lost: bool = False) -> None:
        """A block (n, channels) from the card."""
        status = types.SimpleNamespace(input_overflow=lost, input_underflow=False)
        self.opened["callback"](samples.astype(np.float32), len(samples), None, status)


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
    with pytest.raises(StreamError, match=r"several.*0 'Mic USB' \(ALSA, 2 ch\), 1 'Mic b"):
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


@pytest.mark.parametrize("refused", [(16000,), (16000, 44100), (16000, 44100, 48000)])
def test_a_rate_counts_only_when_the_device_opens_at_it(
    portaudio: FakePortAudio, refused: tuple[int, ...]
) -> None:
    portaudio.refused_at_open = refused
    rates = [r for r in (16000, 44100, 48000, 32000) if r not in refused]
    assert microphone.Microphone("built-in").sample_rate == rates[0]


def test_a_device_that_refuses_everything_says_why(portaudio: FakePortAudio) -> None:
    portaudio.refused_at_open = (16000, 44100, 48000, 32000)
    with pytest.raises(StreamError, match="'Mic built-in' cannot be opened: Invalid device"):
        microphone.Microphone("built-in")


class Ear:
    """Takes blocks as a session does: it returns how many samples it has."""

    def __init__(self) -> None:
        self.blocks: list[np.ndarray] = []

    def __call__(self, block: np.ndarray) -> int:
        self.blocks.append(block)
        return sum(map(len, self.blocks))

    @property
    def heard(self) -> np.ndarray:
        return np.concatenate(self.blocks)


def test_blocks_are_handed_on_up_to_the_limit(portaudio: FakePortAudio) -> None:
    source = microphone.Microphone("built-in", limit_s=0.025)
    ear = Ear()
    source.start(ear)
    block = np.arange(320, dtype=np.float32).reshape(160, 2) / 1e4
    for lost in (False, True, False, False):
        portaudio.say(block, lost)
    assert [len(b) for b in ear.blocks] == [160, 160, 80]
    assert source.finished
    assert source.lost_blocks == 1
    source.pump(0.0)
    source.stop()


@pytest.mark.parametrize("voice", [0, 1])
@pytest.mark.parametrize("loudness", [0.3, 0.002])
def test_the_channel_with_the_voice_is_heard(
    portaudio: FakePortAudio, voice: int, loudness: float
) -> None:
    rng = np.random.default_rng(0)
    source, ear = microphone.Microphone("usb"), Ear()
    source.start(ear)
    for _ in range(50):
        block = rng.normal(0, 1e-5, (441, 2))
        block[:, voice] += loudness * np.sign(rng.normal(size=441))
        portaudio.say(block)
    assert np.abs(ear.heard[441:]).min() > loudness / 2, "no gap in it after the first block"


def test_a_channel_may_be_chosen(portaudio: FakePortAudio) -> None:
    for channel in (1, 2):
        source, ear = microphone.Microphone("usb", channel=channel), Ear()
        source.start(ear)
        assert portaudio.opened["channels"] == max(channel, 1)
        portaudio.say(np.tile([0.9, 0.1], (100, 1))[:, : portaudio.opened["channels"]])
        assert ear.heard[0] == np.float32([0.9, 0.1][channel - 1])
    with pytest.raises(StreamError, match=r"channel 3: microphone 'Mic USB' has 2"):
        microphone.Microphone("usb", channel=3)


def test_several_voices_share_a_device_that_closes_with_the_last(portaudio: FakePortAudio) -> None:
    device = microphone.InputDevice("usb", channel=2)
    voices = [microphone.Microphone(channel=c, device=device) for c in (1, 2)]
    ears = [Ear(), Ear()]
    for voice, ear in zip(voices, ears, strict=True):
        voice.start(ear)
    portaudio.say(np.tile([0.9, 0.1], (100, 1)))
    voices[0].stop()
    portaudio.say(np.tile([0.9, 0.1], (100, 1)))
    assert [len(ear.heard) for ear in ears] == [100, 200]
    assert ears[1].heard.max() == np.float32(0.1)


def seconds_of(db: float, seconds: float = 3.2) -> np.ndarray:
    """Half of it a voice of that level, half of it what a room has."""
    rng = np.random.default_rng(1)
    voice = rng.normal(0, 10 ** (db / 20), (round(seconds * 16000), 2))
    voice[: len(voice) // 2] *= 1e-3
    return voice


def test_what_is_said_while_devices_are_listed_anew_is_seen(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    portaudio = microphone.load_portaudio()

    def speaking(code: int) -> int:
        os.write(2, b"microphone 'pulse' stopped\n")  # as another thread does meanwhile
        return code

    fake = types.SimpleNamespace(Pa_Initialize=lambda: speaking(0), Pa_Terminate=lambda: 0)
    monkeypatch.setattr(portaudio, "_lib", fake)
    had = portaudio._initialized
    microphone.list_anew(portaudio)
    assert capfd.readouterr().err == "microphone 'pulse' stopped\n"
    assert portaudio._initialized == had


def test_devices_are_listed_though_the_last_attempt_failed() -> None:
    portaudio = FakePortAudio()
    portaudio._lib.Pa_Initialize = lambda: -9999
    with pytest.raises(portaudio.PortAudioError, match="initializing"):
        microphone.list_anew(portaudio)
    portaudio._lib.Pa_Initialize = lambda: 0
    microphone.list_anew(portaudio)
    assert portaudio._initialized == 1


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((52000, 2)), "gives nothing but silence: is it muted, or .*not allowed"),
        (np.full((52000, 2), 3e-5), "-90 dB: is it muted"),
        (seconds_of(-52), "very quiet .*turn its input level up"),
        (seconds_of(-65), "very quiet"),
        (seconds_of(-25), None),
        (np.random.default_rng(2).normal(0, 1e-3, (52000, 2)), None),  # a room, nobody speaks
    ],
)
def test_an_input_that_gives_no_voice_is_told_once(
    portaudio: FakePortAudio, samples: np.ndarray, words: str | None
) -> None:
    source = microphone.Microphone("built-in")
    source.start(Ear())
    for _ in range(2):
        for at in range(0, len(samples), 160):
            portaudio.say(samples[at : at + 160])
            source.pump(0.0)
    assert len(source.notices) == (words is not None)
    if words is not None:
        assert re.search(words, source.notices[0])


@pytest.mark.parametrize("name", ["Stereo Mix (Realtek)", "Monitor of Built-in Audio", "BlackHole"])
def test_a_loopback_is_not_taken_silently(portaudio: FakePortAudio, name: str) -> None:
    portaudio.names = ("Mic USB", name + " Mic", "Loud speaker")
    source = microphone.Microphone()
    assert source.device.name == "Mic USB"
    assert "hears what this machine plays" in source.notices[0]
    portaudio.names = ("Loud speaker", name + " Mic")
    source = microphone.Microphone()
    assert "there is no other" in source.notices[0]
    assert microphone.Microphone("1").notices == []


def test_a_callback_never_raises_and_the_loop_hears_of_it(portaudio: FakePortAudio) -> None:
    source = microphone.Microphone("built-in")

    def push(_: np.ndarray) -> int:
        raise ValueError("chunk: sample 3 is nan")

    source.start(push)
    portaudio.say(np.zeros((160, 2)))
    with pytest.raises(StreamError, match="'Mic built-in': chunk: sample 3"):
        source.pump(0.0)


def test_a_device_that_never_spoke_is_an_error(portaudio: FakePortAudio) -> None:
    source = microphone.Microphone("built-in")
    source.start(Ear())
    source.pump(0.0)
    portaudio.stream.active = False
    with pytest.raises(StreamError, match="delivers no audio; was it unplugged"):
        source.pump(0.0)


def test_an_unplugged_device_is_waited_for(
    portaudio: FakePortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microphone, "RETRY_S", 0.01)
    source, ear = microphone.Microphone("usb", limit_s=60.0), Ear()
    source.start(ear)
    portaudio.say(np.full((441, 2), 0.1))
    source.pump(0.0)
    portaudio.gone, portaudio.stream.active = True, False
    for _ in range(20):
        source.pump(0.0)
        time.sleep(0.005)
    assert source.unplugged == 1
    assert "was it unplugged?" in source.notices[0]
    lost, portaudio.gone = portaudio.stream, False
    deadline = time.monotonic() + 30
    while portaudio.stream is lost and time.monotonic() < deadline:
        time.sleep(0.01)
    while len(source.notices) < 2 and time.monotonic() < deadline:
        portaudio.say(np.full((441, 2), 0.2))
        source.pump(0.0)
        time.sleep(0.01)
    assert "is back after" in source.notices[1]
    assert ear.heard[-1] == np.float32(0.2)
    assert not source.finished
    source.pump(60.0)
    assert source.finished, "its time is over, plugged in or not"
    source.stop()


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
