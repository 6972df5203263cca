"""The whole path's graph in ONNX Runtime against the C++ runtime: curves, identities, states."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import random_bundle
from test_runtime import speech_like

from diffusiontalker import CURVES, Runtime, _core
from diffusiontalker import bundle as bundles
from diffusiontalker.bundle import Bundle, read
from diffusiontalker.curves import LIPS, indices

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
from diffusiontalker.tensorrt import calibration, graphs, talker  # noqa: E402

FRAMES = 200


def bare(source: Bundle) -> Bundle:
    """Always voiced, without post-processing: what is left is what the graph computes."""
    manifest = {
        **source.manifest,
        "gate": {"threshold_minimum_db": -150.0, "threshold_maximum_db": -140.0, "attack_ms": 0.0},
        "postprocess": {name: {"minimum": -1000.0, "maximum": 1000.0} for name in CURVES},
    }
    return Bundle(source.path, manifest, source.tensors)


class Talkers:
    """`streams` voices in one graph, their state carried from launch to launch."""

    def __init__(
        self,
        bundle: Bundle,
        streams: int,
        precision: str = "float32",
        model: onnx.ModelProto | None = None,
    ) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        model = model or graphs.talker_graph(bundle, precision)
        self._session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        _, outputs = graphs.talker_ports(bundle, precision)
        self._names = [p.name for p in outputs]
        self.inputs = graphs.quiet(bundle, streams, precision)
        self._states = [n.removeprefix("next_") for n in self._names if n.startswith("next_")]

    def reset(self, voice: int) -> None:
        for name in self._states:
            self.inputs[name][voice] = 0

    def state(self, voice: int) -> dict[str, np.ndarray]:
        return {name: self.inputs[name][voice].copy() for name in self._states}

    def launch(self) -> dict[str, np.ndarray]:
        out = dict(zip(self._names, self._session.run(self._names, self.inputs), strict=True))
        for name in self._states:
            self.inputs[name] = out[f"next_{name}"]
        return out


class Voice:
    """One voice's sound and clock: fills its row of a launch."""

    def __init__(
        self, bundle: Bundle, audio: np.ndarray, seed: int, row: int, frames: int = FRAMES
    ) -> None:
        self._bundle, self._seed, self._row = bundle, seed, row
        padded = np.concatenate([audio, np.zeros(16000, np.float32)])
        self._mel, _ = _core.log_mel(padded)
        self._frames = frames
        self.restart()

    def restart(self) -> None:
        self._ticks = list(graphs.ticks(self._bundle, self._frames))[::-1]

    @property
    def ended(self) -> bool:
        return not self._ticks

    def fill(self, inputs: dict[str, np.ndarray], at: int) -> int | None:
        """The next tick; the number of its frame."""
        tick = self._ticks.pop()
        inputs["mel"][at] = 3.0  # what no column fills is never heard
        pinned = None if self._row < 0 else self._row
        graphs.bring(inputs, at, tick, self._mel, pinned, self._bundle.default_identity)
        if tick.frame is not None:
            scale = self._bundle.noise_scale()
            inputs["noise"][at] = _core.noise(self._seed, tick.frame, 1) * scale
        return tick.frame

    def sit_out(self, inputs: dict[str, np.ndarray], at: int) -> None:
        """Whatever lies in the row, nothing comes of it."""
        for name in ("mel", "noise", "share", "voiced", "follow"):
            inputs[name][at] = 7.0
        for name in ("columns", "frame", "sampled", "first"):
            inputs[name][at] = 0.0


def of_the_runtime(
    bundle: Bundle, audio: np.ndarray, seed: int, row: int, precision: str = "float32"
) -> tuple[np.ndarray, dict[int, tuple[int, np.ndarray]]]:
    """Curves, and after how many frames which identity was heard with which scores."""
    identity = "auto" if row < 0 else bundle.identities[row]
    rt = Runtime(bundle, seed=seed, identity=identity, idle=0, precision=precision)
    rng = np.random.default_rng(seed)
    parts, at, count, heard = [], 0, 0, {}
    while at < len(audio):
        size = int(rng.integers(0, 1200))
        parts.append(rt.step(audio[at : at + size]))
        at, count = at + size, count + len(parts[-1])
        heard[count] = (
            bundle.identities.index(rt.identity),
            np.array(list(rt.identity_scores().values())),
        )
    return np.concatenate([*parts, rt.flush()]), heard


def audio_of(bundle: Bundle, frames: int = FRAMES) -> np.ndarray:
    return speech_like(float(frames / bundle.frame_rate), 16000)


def run(
    bundle: Bundle, voice: Voice, precision: str = "float32", model: onnx.ModelProto | None = None
) -> Iterator[dict]:
    """A voice alone: what each of its frames brings."""
    talkers = Talkers(bundle, 1, precision, model)
    while not voice.ended:
        frame = voice.fill(talkers.inputs, 0)
        out = talkers.launch()
        if frame is not None:
            yield {name: value[0] for name, value in out.items()}


def heard_twice(source: Bundle, tmp_path) -> tuple[Bundle, np.ndarray]:
    """Two voices after each other, and a bundle whose identities 1 and 2 are theirs."""
    first, second = speech_like(1.2, 16000), 0.3 * np.random.default_rng(8).standard_normal(34133)
    model = core_model(source)
    keys = source.identity_features().copy()
    for row, sound in ((1, first), (2, second.astype(np.float32))):
        mel, _ = _core.log_mel(sound)
        pooled = _core.Encoder(model).push(mel).mean(axis=0)
        keys[row] = pooled - source.tensors["identity.pooled_mean"]
    manifest = {**source.manifest, "identities": {**source.manifest["identities"], "keys": True}}
    tensors = {**source.tensors, "identity.keys": keys}
    bundle = bundles.write(tmp_path, manifest, tensors)
    return bundle, np.concatenate([first, second]).astype(np.float32)


def core_model(bundle: Bundle) -> _core.Model:
    """In float32, as the graphs compute."""
    config = bundle.core_config()
    config.precision = "float32"
    return _core.Model(config, bundle.core_tensors(), bundle.identity_features())


@pytest.mark.parametrize("model", ["convolutions", "context", "embedded"])
def test_the_graph_is_the_runtime(
    bundle_at_60: Bundle, bundle_with_context: Bundle, tmp_path, record_property, model: str
) -> None:
    """200 frames of one voice that the identity follows: curves, identity and states within 1e-4 of
    random chunks on the CPU in float32. Against its integers the embedded model's difference is
    recorded, without a bound."""
    if model == "embedded":
        bundle = bare(read())
        audio = audio_of(bundle)
    else:
        source = {"convolutions": bundle_at_60, "context": bundle_with_context}[model]
        bundle, audio = heard_twice(source, tmp_path)
        bundle = bare(bundle)
    expected, heard = of_the_runtime(bundle, audio, 4, -1)
    assert len(expected) == FRAMES
    core = core_model(bundle)
    padded = np.concatenate([audio, np.zeros(16000, np.float32)])
    features = _core.Encoder(core).push(_core.log_mel(padded)[0])
    sampler = _core.Sampler(core)
    got, rows = [], []
    for frame, out in enumerate(run(bundle, Voice(bundle, audio, 4, -1))):
        got.append(out["curves"][0])
        rows.append(int(out["identity_row"].item()))
        newest, share = talker.heard(bundle, frame)
        now = out["next_heard"]
        np.testing.assert_allclose(now, features[newest - 1 : newest + 1], atol=1e-4)
        audio_feature = (1 - np.float32(share)) * now[0] + np.float32(share) * now[1]
        noise = _core.noise(4, frame, 1) * bundle.noise_scale()
        sampler.sample(audio_feature[None], out["next_identity"], noise)
        cells = out["next_state"].reshape(sampler.state().shape)
        np.testing.assert_allclose(cells, sampler.state(), atol=1e-4)
        if frame + 1 in heard:
            row, scores = heard[frame + 1]
            assert rows[-1] == row
            np.testing.assert_allclose(out["identity_scores"][0], scores, atol=1e-4)
    np.testing.assert_allclose(np.array(got), expected, atol=1e-4)
    if model == "embedded":
        integers, _ = of_the_runtime(bundle, audio, 4, -1, "int8")
        difference = np.array(got) - integers
        lbe = np.linalg.norm(difference[:, indices(LIPS)], axis=1).mean()
        record_property("from the integers", f"{np.abs(difference).max():.1e}, LBE {lbe:.1e}")
    else:
        assert sorted(set(rows)) == [0, 1, 2]


def test_float16_stays_within_its_tolerance(bundle_with_context: Bundle) -> None:
    """2e-3 in the curves over 60 frames. Keys and values are float16 from tick to tick, all other
    states float32; ONNX Runtime's CPU computes in float32, so this is the rounding of both."""
    inputs, _ = graphs.talker_ports(bundle_with_context, "float16")
    assert {p.name for p in inputs if p.half} == {"keys_0", "keys_1", "values_0", "values_1"}
    bundle = bare(bundle_with_context)
    audio = audio_of(bundle, 60)
    expected, _ = of_the_runtime(bundle, audio, 4, 1)
    outs = run(bundle, Voice(bundle, audio, 4, 1, 60), "float16")
    error = np.abs(np.array([out["curves"][0] for out in outs]) - expected).max()
    assert 0 < error < 2e-3


def test_eight_bits() -> None:
    """The embedded model errs by a small part of what the face moves, on other speech than that
    which the scales were measured on."""
    source = read()
    ranges = calibration.ranges_of(source, 45)
    bundle = bare(source)
    audio = calibration.demo_speech()[32000:48000]
    expected, _ = of_the_runtime(bundle, audio, 4, 1)
    moves = np.linalg.norm(expected - expected.mean(axis=0), axis=1).mean()
    kinds = {"int8": onnx.TensorProto.INT8, "fp8": onnx.TensorProto.FLOAT8E4M3FN}
    for precision, kind in kinds.items():
        model = graphs.talker_graph(bundle, precision, ranges)
        assert kind in {i.data_type for i in model.graph.initializer}
        outs = run(bundle, Voice(bundle, audio, 4, 1, 60), precision, model)
        error = np.linalg.norm([o["curves"][0] for o in outs] - expected, axis=1).mean()
        # By the model of bundle beff26721e84: 0.055 in int8, 0.061 in fp8.
        assert 0 < error < 0.1 * moves
        with pytest.raises(ValueError, match="precision: expected float32 or float16, got"):
            graphs.sampler_graph(bundle, 1, precision)


@pytest.mark.parametrize(("rate", "most"), [((100, 1), 1), ((30000, 1001), 4), ((24, 1), 5)])
def test_other_rates(tmp_path, rate: tuple[int, int], most: int) -> None:
    """A tick has room for what one frame needs after another, whatever the rate."""
    source = random_bundle.write(
        tmp_path, frame_rate=list(rate), context=random_bundle.CONTEXT,
        decoder={"hidden": 16, "layers": 2, "step_dim": 16, "identity_hidden": 24},
    )  # fmt: skip
    bundle = bare(source)
    assert graphs.room(bundle) == most
    audio = audio_of(bundle, 60)
    expected, _ = of_the_runtime(bundle, audio, 4, 2)
    got = [out["curves"][0] for out in run(bundle, Voice(bundle, audio, 4, 2, 60))]
    np.testing.assert_allclose(np.array(got), expected, atol=1e-4)


def test_voices_begin_pause_and_begin_again_in_one_launch(bundle_with_context: Bundle) -> None:
    """Whatever the others do, a voice's frames and states are the bits of that voice alone."""
    bundle = bare(bundle_with_context)
    sounds = [audio_of(bundle, 40 + 7 * v)[100 * v :] for v in range(3)]
    voices = [Voice(bundle, sounds[v], v, v - 1, 40) for v in range(3)]

    def alone(at: int) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
        talkers, frames = Talkers(bundle, 3), []
        voices[at].restart()
        while not voices[at].ended:
            for other in range(3):
                voices[at].sit_out(talkers.inputs, other)
            frame = voices[at].fill(talkers.inputs, at)
            curves = talkers.launch()["curves"]
            frames += [] if frame is None else [curves[at, 0]]
        voices[at].restart()
        return frames, talkers.state(at)

    expected = [alone(v) for v in range(3)]
    rng = np.random.default_rng(3)
    talkers = Talkers(bundle, 3)
    got: list[list[np.ndarray]] = [[], [], []]
    launches = 0
    while not all(v.ended for v in voices):
        launches += 1
        if launches == 20:  # in the middle of the others
            talkers.reset(1)
            voices[1].restart()
            got[1] = []
        due = {}
        for v, voice in enumerate(voices):
            if voice.ended or rng.integers(3) == 0:
                voice.sit_out(talkers.inputs, v)
            else:
                due[v] = voice.fill(talkers.inputs, v)
        curves = talkers.launch()["curves"]
        for v, frame in due.items():
            got[v] += [] if frame is None else [curves[v, 0]]
    for v in range(3):
        frames, states = expected[v]
        np.testing.assert_array_equal(np.array(got[v]), np.array(frames))
        for name, state in talkers.state(v).items():
            np.testing.assert_array_equal(state, states[name], err_msg=name)
        runtime, _ = of_the_runtime(bundle, sounds[v], v, v - 1)
        np.testing.assert_allclose(np.array(frames), runtime[:40], atol=1e-4)
