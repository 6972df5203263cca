"""What a session asks for beside sound: its own seed, a preset, other morphs; by both protocols."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import random_bundle
from websockets.asyncio.client import connect

from diffusiontalker import CURVES, Runtime, presets
from diffusiontalker.rigs import Rig
from diffusiontalker.serve.asked import asked
from diffusiontalker.serve.limits import Limits, Refusal
from diffusiontalker.serve.pool import Pool, VoiceSettings
from diffusiontalker.serve.rpc import client
from diffusiontalker.serve.shapes import Shapes
from diffusiontalker.visemes import UNSPOKEN, VISEMES, viseme_weights
from diffusiontalker.vrm_presets import preset_weights
from serving import alone, channel_to, hear, is_success, run, serving, sound, talk

PRESET = """identity = "bob"
seed = 11
idle = 0.25
strength_lower = 1.5

[gain]
jawOpen = 0.5
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_bundle.write(tmp_path_factory.mktemp("serve") / "bundle").path


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset that the server keeps as "stage voice"."""
    monkeypatch.setattr(presets, "folder", lambda: tmp_path)
    presets.save("stage voice", presets.parse(PRESET))


def as_preset(folder: Path, pcm: Any, **changed: Any) -> Any:
    """What `PRESET` makes of the sound."""
    runtime = Runtime(folder, **{"seed": 11, "identity": "bob", "idle": 0.25, **changed})
    runtime.set(strength_lower=1.5, gain={"jawOpen": 0.5})
    return np.concatenate([runtime.step(pcm), runtime.flush()])


def test_sessions_of_any_seed_identity_and_idle_share_one_batch(folder: Path) -> None:
    """And each is a runtime of its own, bit for bit; places change hands."""
    voices = [
        {"seed": 5}, {"seed": 2**64 - 1, "identity": "bob"}, {"idle": 0.0}, {},
        {"seed": 5, "identity": "ann", "idle": 0.5},
    ]  # fmt: skip
    pcm = [sound(0.8, seed=i) for i in range(len(voices))]

    async def body() -> None:
        limits = Limits(sessions=len(voices))
        async with serving(folder, limits) as server, channel_to(server) as channel:
            for turn in range(2):
                order = voices[turn:] + voices[:turn]  # other places the second time

                async def one(i: int, settings: dict[str, Any]) -> None:
                    words = {f"dt-{name}": str(value) for name, value in settings.items()}
                    call = client.Call(channel, metadata=words)
                    await call.begin()
                    reading = asyncio.create_task(hear(call))
                    for at in range(0, pcm[i].nbytes, 640):
                        await call.send(pcm[i].tobytes()[at : at + 640])
                        await asyncio.sleep(0)
                    await call.end()
                    heard = await reading
                    assert is_success(heard)
                    assert np.array_equal(heard.curves, alone(folder, pcm[i], **settings))

                await asyncio.gather(*[one(i, settings) for i, settings in enumerate(order)])
            assert len(server.scheduler._pool._batches) == 1

    run(body())


def test_a_pool_makes_batches_as_they_are_needed(folder: Path) -> None:
    from diffusiontalker import bundle

    pool = Pool(bundle.read(folder), places=2)
    places = [pool.take(VoiceSettings(seed)) for seed in range(5)]
    assert [number for _, number in places] == [0, 1, 0, 1, 0]
    assert len({id(batch) for batch, _ in places}) == 3
    for place in places:
        pool.give_back(*place)
    assert len(pool._batches) == 1


@pytest.mark.usefixtures("kept")
def test_a_preset_over_grpc(folder: Path) -> None:
    pcm = sound(0.5)
    cases: list[tuple[dict[str, Any], Any]] = [
        ({"dt-preset": "stage voice"}, as_preset(folder, pcm)),
        ({"dt-preset-bin": PRESET.encode()}, as_preset(folder, pcm)),
        # What stands beside a preset goes before it.
        ({"dt-preset": "stage voice", "dt-seed": "3"}, as_preset(folder, pcm, seed=3)),
        ({"dt-gain": '{"jawOpen": 0.5}', "dt-strength-lower": "1.5", "dt-seed": "11",
          "dt-identity": "bob", "dt-idle": "0.25"}, as_preset(folder, pcm)),
    ]  # fmt: skip

    async def body() -> None:
        async with serving(folder) as server, channel_to(server) as channel:
            for metadata, expected in cases:
                heard = await talk(channel, pcm.tobytes(), metadata=metadata)
                assert is_success(heard)
                assert np.array_equal(heard.curves, expected)
            heard = await talk(channel, b"", metadata={"dt-preset": "stage voise"})
            assert heard.code.name == "INVALID_ARGUMENT"
            assert heard.statuses[-1][1] == (
                "metadata: preset 'stage voise': expected a name, or TOML; there are stage voice; "
                "did you mean stage voice?"
            )

    run(body())


@pytest.mark.usefixtures("kept")
def test_a_preset_over_websocket(folder: Path) -> None:
    pcm = sound(0.5)

    async def frames_of(server: Any, **begin: Any) -> tuple[list[str], Any]:
        async with connect(f"ws://127.0.0.1:{server.http_port}/v1/face") as socket:
            await socket.send(json.dumps({"type": "begin", **begin}))
            names = json.loads(await socket.recv())["curves"]
            await socket.send(pcm.tobytes())
            await socket.send('{"type": "end"}')
            frames = []
            while (message := json.loads(await socket.recv()))["type"] != "bye":
                frames.append(message["curves"])
        return names, np.array(frames, np.float32)

    async def body() -> None:
        async with serving(folder) as server:
            for said in ("stage voice", PRESET):
                names, frames = await frames_of(server, preset=said)
                assert names == list(CURVES)
                assert np.array_equal(frames, as_preset(folder, pcm))
            curves = alone(folder, pcm)
            names, frames = await frames_of(server, names="oculus")
            assert names == [*VISEMES, *UNSPOKEN]
            assert np.array_equal(frames[:, :15], viseme_weights(curves))
            assert np.array_equal(frames[:, 15:], curves[:, [CURVES.index(n) for n in UNSPOKEN]])
            morphs = ["mouthOpen", "Blink", "jawLeft", "unknown"]
            names, frames = await frames_of(server, names=morphs)
            assert names == morphs
            assert np.array_equal(frames, Rig(morphs).weights(curves))
            assert frames[:, 0].any()

    run(body())


def test_vowels_and_morphs_over_grpc(folder: Path) -> None:
    pcm = sound(0.5)

    async def body() -> None:
        async with serving(folder) as server, channel_to(server) as channel:
            curves = alone(folder, pcm)
            for style, names in (("vrm", "A I U E O Blink_L Blink_R"),
                                 ("vrm1", "aa ih ou ee oh blinkLeft blinkRight")):  # fmt: skip
                heard = await talk(channel, pcm.tobytes(), metadata={"dt-names": style})
                assert is_success(heard)
                assert " ".join(heard.header.skel_animation_header.blend_shapes) == names
                expected = preset_weights(curves).astype(np.float32)
                assert np.array_equal(np.array(heard.frames, np.float32), expected)
            heard = await talk(channel, pcm.tobytes(), metadata={"dt-names": "jawOpen, blink"})
            assert is_success(heard)
            assert np.array_equal(
                np.array(heard.frames, np.float32), Rig(["jawOpen", "blink"]).weights(curves)
            )

    run(body())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"preset": "../../etc/passwd"}, "expected a name, or TOML"),
        ({"preset": "/etc/passwd.toml"}, "expected a name, or TOML"),
        ({"preset": 7}, "preset: expected a name, or TOML, got 7"),
        ({"preset": "seed = -1"}, "preset: seed: expected a whole number from 0 to 2**64 - 1"),
        ({"preset": "seed = "}, "preset: not TOML"),
        ({"seed": 1.5}, "seed: expected 0 to 2**64 - 1, got 1.5"),
        ({"identity": "eve"}, "identity: expected auto or anna"),
        ({"names": "metahuman"}, "names: expected arkit, oculus, viseme, vrm, vrm1, or the names"),
        ({"names": []}, "names: expected 1 to 256 names"),
        ({"names": ["a", "a"]}, "names: 'a' is there twice"),
        ({"names": ["a"] * 300}, "names: expected 1 to 256 names"),
        ({"names": [3]}, "names: expected 1 to 256 names"),
    ],
)
def test_what_cannot_be_is_said(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refusal) as caught:
        asked(given, ("anna",))
    assert sentence in str(caught.value)


def test_a_rig_never_shows_a_curve_twice() -> None:
    """Direct names, else morphs that are made of their parts."""
    curves = np.zeros((1, 52), np.float32)
    curves[0, CURVES.index("jawOpen")] = 0.8
    both = Shapes(["jawOpen", "mouthOpen", *(f"viseme_{v}" for v in VISEMES)])
    assert both(curves)[0, 0] == np.float32(0.8)
    assert both(curves)[0, 1] == 0
    assert both(curves)[0, both.names.index("viseme_aa")] == 0
