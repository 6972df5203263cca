"""Audio2Face-3D's protocol, as clients meet it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest
import random_bundle

from diffusiontalker import CURVES
from diffusiontalker.serve.limits import Limits
from diffusiontalker.serve.rpc import CARRIERS, client, has_nghttp2, messages
from serving import alone, channel_to, hear, is_success, run, serving, sound, talk


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_bundle.write(tmp_path_factory.mktemp("serve") / "bundle").path


@pytest.fixture(autouse=True, params=[c for c in CARRIERS if c != "auto"])
def carrier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it by each that can carry gRPC."""
    if request.param == "nghttp2" and not has_nghttp2():
        assert "CI" not in os.environ, "built without nghttp2: apt-get install libnghttp2-dev"
        pytest.skip("built without nghttp2")
    monkeypatch.setattr("serving.CARRIER", request.param)


@pytest.mark.parametrize("rate", [16000, 8000, 44100])
def test_frames_are_those_of_a_runtime_and_the_sound_comes_back(folder: Path, rate: int) -> None:
    pcm = sound(1.7, rate)[:-5]
    rng = np.random.default_rng(1)

    async def body() -> None:
        async with serving(folder) as server, channel_to(server) as channel:
            heard = await talk(
                channel, pcm.tobytes(), rate=rate, cut=lambda _: int(rng.integers(1, 3000))
            )
        assert is_success(heard)
        assert np.array_equal(heard.curves, alone(folder, pcm, rate))
        names = heard.header.skel_animation_header.blend_shapes
        assert [name[0].lower() + name[1:] for name in names] == list(CURVES)
        audio = heard.header.audio_header
        assert (audio.samples_per_second, audio.channel_count, audio.bits_per_sample) == (
            rate,
            1,
            16,
        )
        echoed = b"".join(heard.sounds)
        assert echoed[: pcm.nbytes] == pcm.tobytes()
        assert not any(echoed[pcm.nbytes :])
        for i, (time_code, piece) in enumerate(zip(heard.time_codes, heard.sounds, strict=True)):
            assert time_code == i / 60
            assert len(piece) == 2 * ((i + 1) * rate // 60 - i * rate // 60)
        assert heard.time_codes[-1] < pcm.size / rate

    run(body())


def test_sessions_of_any_phase_share_passes_and_stay_themselves(folder: Path) -> None:
    """More than a batch's places, other rates, and two that begin while others go on."""
    rates = [16000, 24000, 16000, 48000, 16000, 16000]
    clips = [sound(0.9 + 0.13 * i, rate, i) for i, rate in enumerate(rates)]

    async def body() -> None:
        async with serving(folder, Limits(sessions=6)) as server, channel_to(server) as channel:

            async def one(i: int) -> bool:
                await asyncio.sleep(0.03 * i)
                rng = np.random.default_rng(i)
                heard = await talk(
                    channel,
                    clips[i].tobytes(),
                    rate=rates[i],
                    cut=lambda _: int(rng.integers(2, 2000)),
                )
                return np.array_equal(heard.curves, alone(folder, clips[i], rates[i]))

            assert all(await asyncio.gather(*[one(i) for i in range(6)]))
            # A place that was used before begins anew.
            assert await one(1)

    run(body())


def test_half_the_frames_are_every_second_one_with_all_the_sound(folder: Path) -> None:
    pcm = sound(1.0)

    async def body() -> None:
        async with serving(folder, every=2) as server, channel_to(server) as channel:
            heard = await talk(channel, pcm.tobytes())
        assert np.array_equal(heard.curves, alone(folder, pcm)[::2])
        assert heard.time_codes == [i / 30 for i in range(30)]
        assert b"".join(heard.sounds) == pcm.tobytes()

    run(body())


def test_a_client_that_writes_all_before_it_reads(folder: Path) -> None:
    """A minute is 3600 messages back: more than flow control lets out while nobody reads."""
    pcm = sound(60.0)

    async def body() -> None:
        async with serving(folder) as server, channel_to(server) as channel:
            call = client.Call(channel)
            await call.begin()
            for at in range(0, pcm.nbytes, 32000):
                await call.send(pcm.tobytes()[at : at + 32000])
            await call.end()
            heard = await hear(call)
        assert is_success(heard)
        assert np.array_equal(heard.curves, alone(folder, pcm))

    run(body())


def test_no_sound_at_all(folder: Path) -> None:
    async def body() -> None:
        async with serving(folder) as server, channel_to(server) as channel:
            heard = await talk(channel, b"")
            assert is_success(heard)
            assert heard.frames == []

    run(body())


def test_what_a_face_is_asked_to_be(folder: Path) -> None:
    pcm = sound(1.0)
    jaw, blink, brow = (CURVES.index(c) for c in ("jawOpen", "eyeBlinkLeft", "browInnerUp"))
    face = {
        "face_params": {
            "float_params": {
                "lowerFaceStrength": 1.5,
                "blinkStrength": 0.5,
                "upperFaceSmoothing": 0.05,
                "skinStrength": 1.1,
            }
        },
        "blendshape_params": {
            "bs_weight_multipliers": {"JawOpen": 2.0, "TongueTipUp": 1.0},
            "bs_weight_offsets": {"JawOpen": 0.25},
        },
        "emotion_params": {},
    }

    async def body() -> None:
        async with serving(folder) as server, channel_to(server) as channel:
            heard = await talk(channel, pcm.tobytes(), **face)
            clamped = await talk(
                channel,
                pcm.tobytes(),
                blendshape_params={
                    "enable_clamping_bs_weight": True,
                    "bs_weight_multipliers": {"JawOpen": 9.0},
                },
            )
        plain = alone(folder, pcm)
        expected = plain[:, jaw] * np.float32(1.5) * np.float32(2.0) + np.float32(0.25)
        assert np.array_equal(heard.curves[:, jaw], expected)
        share = np.float32(1.0 - np.exp(-1 / 60 / 0.05))
        for curve, strength in ((brow, 1.0), (blink, 0.5)):
            smooth = np.float32(strength) * plain[:, curve]
            for i in range(1, len(smooth)):
                smooth[i] = smooth[i - 1] + share * (smooth[i] - smooth[i - 1])
            assert np.allclose(heard.curves[:, curve], smooth, atol=1e-6)
        assert clamped.curves.max() <= 1.0
        code, said = heard.statuses[0]
        assert code == messages.INFO
        assert said.endswith(": TongueTipUp, emotion_params, skinStrength")
        assert heard.statuses[1:] == [(messages.SUCCESS, "")]

    run(body())


@pytest.mark.parametrize(
    ("audio_header", "sentence"),
    [
        ({"channel_count": 2}, "expected channel_count 1, got 2"),
        ({"bits_per_sample": 24}, "expected bits_per_sample 16, got 24"),
        ({"audio_format": 3}, "expected audio_format 0, got 3"),
        ({"samples_per_second": 0}, "expected samples_per_second from 8000 to 144000, got 0"),
        ({"samples_per_second": 192000}, "from 8000 to 144000, got 192000"),
    ],
)
def test_a_format_that_cannot_be(folder: Path, audio_header: dict, sentence: str) -> None:  # type: ignore[type-arg]
    async def body() -> None:
        async with serving(folder) as server, channel_to(server) as channel:
            call = client.Call(channel)
            await call.begin(audio_header=audio_header)
            heard = await hear(call)
        assert heard.kinds == ["status"]
        assert heard.statuses[0][0] == messages.ERROR
        assert sentence in heard.statuses[0][1]
        assert heard.code.name == "INVALID_ARGUMENT"

    run(body())


def test_a_header_must_be_first_and_once(folder: Path) -> None:
    async def body() -> None:
        async with serving(folder) as server, channel_to(server) as channel:
            without = client.Call(channel)
            await without.send(b"\0\0")
            heard = await hear(without)
            assert heard.statuses == [(messages.ERROR, "expected an audio_stream_header first")]
            twice = client.Call(channel)
            await twice.begin()
            await twice.begin()
            heard = await hear(twice)
            assert heard.statuses[-1][0] == messages.ERROR
            assert "twice" in heard.statuses[-1][1]
            assert heard.code.name == "INVALID_ARGUMENT"
            assert server.scheduler.sessions == 0

    run(body())


def test_health(folder: Path) -> None:
    async def body() -> None:
        async with serving(folder, drain_s=0.1) as server, channel_to(server) as channel:
            assert await client.health(channel) == messages.SERVING
            assert await client.health(channel, messages.A2F_SERVICE) == messages.SERVING
            with pytest.raises(Exception, match="no service 'other'"):
                await client.health(channel, "other")
            await server.leave()
            assert await client.health(channel) == messages.NOT_SERVING

    run(body())
