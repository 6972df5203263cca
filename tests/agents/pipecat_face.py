"""FaceProcessor in real pipelines of pipecat's: `poe agents`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest
from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputTransportMessageFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.tests.utils import SleepFrame, run_test
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner
from said import JAW, MOUTH, alone, speech

from diffusiontalker import CURVES
from diffusiontalker.integrations.pipecat import FaceProcessor

RATE = 24000


def utterance(pcm: np.ndarray[Any, Any], chunk: int, rate: int = RATE) -> list[Frame]:
    """As a speech service sends it: much faster than it is heard."""
    pieces = [pcm[at : at + chunk].tobytes() for at in range(0, pcm.size, chunk)]
    return [
        TTSStartedFrame(context_id="one"),
        *[TTSAudioRawFrame(piece, rate, 1, context_id="one") for piece in pieces],
        TTSStoppedFrame(context_id="one"),
    ]


def run(processor: FaceProcessor, frames: list[Frame], **more: Any) -> list[Frame]:
    params = PipelineParams(audio_out_sample_rate=RATE)
    down, _ = asyncio.run(
        run_test(processor, frames_to_send=frames, pipeline_params=params, start_timeout=20, **more)
    )
    return list(down)


def told(frames: list[Frame]) -> list[dict[str, Any]]:
    return [f.message for f in frames if isinstance(f, OutputTransportMessageFrame)]


def curves_in(messages: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    rows = [row for m in messages if m["type"] == "frames" for row in m["curves"]]
    return np.array(rows, np.float32)


@pytest.mark.parametrize(
    ("rate", "chunk"), [(24000, 960), (24000, 7001), (16000, 320), (44100, 44100)]
)
def test_the_sound_goes_on_and_the_curves_are_the_runtimes(rate: int, chunk: int) -> None:
    pcm = speech(1.5, rate)
    down = run(FaceProcessor(digits=None), utterance(pcm, chunk, rate))
    sound = [f for f in down if isinstance(f, TTSAudioRawFrame)]
    assert b"".join(f.audio for f in sound) == pcm.tobytes()
    assert {(f.sample_rate, f.num_channels, f.context_id) for f in sound} == {(rate, 1, "one")}
    messages = told(down)
    assert [m["type"] for m in messages[:2]] == ["schema", "frames"]
    assert messages[0]["curves"] == list(CURVES)
    assert messages[-1] == {
        "label": "diffusiontalker", "type": "bye", "frames": len(curves_in(messages)),
    }  # fmt: skip
    expected = alone(pcm, rate)
    np.testing.assert_array_equal(curves_in(messages)[: len(expected)], expected)
    assert expected[:, JAW].max() > 0.1


def test_each_message_goes_just_before_its_sound() -> None:
    pcm = speech(1.0, RATE)
    down = run(FaceProcessor(), utterance(pcm, 2400))
    heard_s, order = 0.0, []
    for frame in down:
        if isinstance(frame, OutputTransportMessageFrame) and frame.message["type"] == "frames":
            order.append((frame.message["index"], heard_s))
        elif isinstance(frame, TTSAudioRawFrame):
            heard_s += len(frame.audio) / 2 / RATE
    assert len(order) > 18
    for index, at_s in order:
        if at_s < 1.0:
            assert abs(index / 60 - at_s) < 1 / 60
    kinds = [type(f).__name__ for f in down]
    assert kinds.index("TTSStoppedFrame") > max(
        i for i, kind in enumerate(kinds) if kind == "TTSAudioRawFrame"
    )


def test_stereo_and_other_messages_labels() -> None:
    pcm = speech(0.5, RATE)
    both = np.repeat(pcm[:, None], 2, 1)
    frames: list[Frame] = [TTSAudioRawFrame(both.tobytes(), RATE, 2), TTSStoppedFrame()]
    down = run(FaceProcessor(rtvi=True, digits=None), frames)
    sound = [f for f in down if isinstance(f, TTSAudioRawFrame)]
    assert b"".join(f.audio for f in sound) == both.tobytes()
    assert {(f["label"], f["type"]) for f in told(down)} == {("rtvi-ai", "server-message")}
    got = curves_in([m["data"] for m in told(down)])
    expected = alone(pcm, RATE)
    np.testing.assert_array_equal(got[: len(expected)], expected)


class Loudspeaker(BaseOutputTransport):
    """A transport that is heard in real time; keeps what leaves it and when."""

    def __init__(self) -> None:
        super().__init__(TransportParams(audio_out_enabled=True, audio_out_sample_rate=RATE))
        self.heard_s = 0.0
        self.log: list[tuple[float, str, Any]] = []
        self._free_s = 0.0

    async def start(self, frame: Any) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: Any) -> bool:
        now_s = time.monotonic()
        self.log.append((now_s, "sound", frame.audio))
        self.heard_s += len(frame.audio) / 2 / RATE
        self._free_s = max(self._free_s, now_s) + len(frame.audio) / 2 / RATE
        await asyncio.sleep(self._free_s - now_s)
        return True

    async def send_message(self, frame: Any) -> None:
        self.log.append((time.monotonic(), frame.message["type"], frame.message))


def played(
    script: list[Any], *, speaker: Loudspeaker | None = None, **face: Any
) -> list[tuple[float, str, Any]]:
    """What leaves a pipeline with a loudspeaker while frames come in.

    A number is a pause in seconds, a function what is waited for.
    """
    speaker = speaker or Loudspeaker()

    async def go() -> None:
        processor = FaceProcessor(digits=None, **face)
        params = PipelineParams(audio_out_sample_rate=RATE)
        worker = PipelineWorker(
            Pipeline([processor, speaker]), params=params, cancel_on_idle_timeout=False
        )
        started = asyncio.Event()

        @worker.event_handler("on_pipeline_started")
        async def _(_: Any, __: Any) -> None:
            started.set()

        async def push() -> None:
            await asyncio.wait_for(started.wait(), 20)
            for one in script:
                if isinstance(one, float):
                    await asyncio.sleep(one)
                elif callable(one):
                    while not one(speaker):
                        await asyncio.sleep(0.01)
                else:
                    await worker.queue_frame(one)
            await worker.queue_frame(EndFrame())

        runner = WorkerRunner()
        await runner.add_workers(worker)
        await asyncio.gather(runner.run(), push())

    asyncio.run(asyncio.wait_for(go(), 60))
    return speaker.log


def test_in_a_transports_queue_curves_leave_when_their_sound_does() -> None:
    log = played(utterance(speech(2.0, RATE), RATE * 2))
    wrote, samples = [], 0  # when sound was handed to the loudspeaker, up to which sample
    for at_s, kind, data in log:
        if kind == "sound":
            wrote.append((samples, at_s))
            samples += len(data) // 2
    positions, times = np.array(wrote).T
    early_ms = [
        1000 * (np.interp(message["index"] / 60 * RATE, positions, times) - at_s)
        for at_s, kind, message in log
        if kind == "frames" and message["sound_s"]
    ]
    print(f"\ncurves leave {np.median(early_ms):.0f} ms before their sound (median), "
          f"{max(early_ms):.0f} at most, {min(early_ms):.0f} at least")  # fmt: skip
    assert len(early_ms) > 36
    assert min(early_ms) > -20
    assert np.median(early_ms) < 60


def test_an_interruption_closes_the_mouth_and_the_clock_goes_on() -> None:
    script: list[Any] = [*utterance(speech(4.0, RATE), RATE * 4), lambda s: s.heard_s > 1.4]
    log = played([*script, InterruptionFrame(), 0.8, *utterance(speech(0.8, RATE), 4800), 1.2])
    cut_s, _, said = next(entry for entry in log if entry[1] == "interrupted")
    before = [m for at_s, kind, m in log if kind == "frames" and at_s < cut_s]
    after = [(at_s, m) for at_s, kind, m in log if kind == "frames" and at_s >= cut_s]
    quiet = [(at_s, m) for at_s, m in after if at_s < cut_s + 0.7]
    assert np.array(before[-1]["curves"])[:, MOUTH].max() > 0.05
    assert quiet[0][1]["index"] == said["index"]
    frames = np.concatenate([np.array(m["curves"]) for _, m in quiet])
    assert not frames[5:, MOUTH].any()  # six frames are 100 ms
    assert all(m["sound_s"] == 0 for _, m in quiet)
    numbers = [m["index"] + i for _, m in after for i in range(len(m["curves"]))]
    assert numbers == list(range(said["index"], said["index"] + len(numbers)))
    sound = [at_s for at_s, kind, _ in log if kind == "sound"]
    assert not [at_s for at_s in sound if cut_s + 0.1 < at_s < cut_s + 0.7]
    spoken = np.concatenate([np.array(m["curves"]) for _, m in after if m["sound_s"]])
    assert spoken[:, JAW].max() > 0.1  # it speaks again


def test_the_face_lives_on_between_utterances_if_asked() -> None:
    say = utterance(speech(0.5, RATE), 2400)
    script: list[Any] = [1.0, *say, 2.5]
    for idle in (True, False):
        log = played(script, idle_between=idle)
        silent = [at_s for at_s, kind, m in log if kind == "frames" and not m["sound_s"]]
        times = [at_s for at_s, kind, _ in log if kind == "frames"]
        if idle:
            assert len(silent) > 50
            assert np.max(np.diff(times)) < 0.3
        else:
            first = next(at_s for at_s, kind, _ in log if kind == "sound")
            assert min(silent) > first
            assert 5 < len(silent) < 15  # until it rests


def test_a_cancel_ends_at_once() -> None:
    said = utterance(speech(4.0, RATE), RATE * 4)
    log = played([*said, lambda s: s.heard_s > 0.5, CancelFrame()], idle_between=True)
    heard_s = sum(len(data) for _, kind, data in log if kind == "sound") / 2 / RATE
    assert 0.5 < heard_s < 2.0
    assert "bye" not in [kind for _, kind, _ in log]


def test_sound_that_no_face_can_be_made_for_is_heard() -> None:
    frame = TTSAudioRawFrame(bytes(400), 4000, 1)
    down = run(FaceProcessor(), [frame, SleepFrame(0.2)])
    assert [f.audio for f in down if isinstance(f, TTSAudioRawFrame)] == [frame.audio]


def test_a_transport_says_when_it_is_done() -> None:
    """The order of sound and TTSStoppedFrame is kept, so the transport knows the end."""
    seen: list[Frame] = []

    class Watched(Loudspeaker):
        async def push_frame(self, frame: Frame, *more: Any) -> None:
            seen.append(frame)
            await super().push_frame(frame, *more)

    log = played([*utterance(speech(0.6, RATE), 2400), 1.2], speaker=Watched())
    sound = sum(len(data) for _, kind, data in log if kind == "sound") / 2 / RATE
    assert 2.6 <= sound < 2.7  # pipecat adds 2 s of silence at the end
    assert any(isinstance(frame, BotStoppedSpeakingFrame) for frame in seen)
