"""The exported graphs in ONNX Runtime against PyTorch and the C++ runtime."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from test_runtime import speech_like

from diffusiontalker import CURVES, Runtime, _core
from diffusiontalker.bundle import Bundle, read
from diffusiontalker.tensorrt import engines

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
from diffusiontalker.tensorrt import graphs  # noqa: E402

FRAMES = (1, 2, 4, 8)


def session(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


@pytest.fixture(scope="module")
def samplers(bundle_at_60: Bundle) -> dict[int, ort.InferenceSession]:
    return {f: session(graphs.sampler_graph(bundle_at_60, f)) for f in FRAMES}


def core_model(b: Bundle) -> _core.Model:
    """In float32, as the graphs compute."""
    config = b.core_config()
    config.precision = "float32"
    return _core.Model(config, b.core_tensors(), b.identity_features())


@pytest.fixture(scope="module")
def core(bundle_at_60: Bundle) -> _core.Model:
    return core_model(bundle_at_60)


class Streaming:
    """A graph with its state carried from call to call."""

    def __init__(self, ports: tuple[list, list], streams: int = 1) -> None:
        self._outputs = [p.name for p in ports[1]]
        self._states = [n for n in self._outputs if n.startswith("next_")]
        shapes = {p.name: p.shape for p in ports[0]}
        self.state = {
            name.removeprefix("next_"): np.zeros(
                [streams if s == "streams" else s for s in shapes[name.removeprefix("next_")]],
                np.float32,
            )
            for name in self._states
        }

    def __call__(self, graph: ort.InferenceSession, **inputs: np.ndarray) -> np.ndarray:
        values = graph.run(self._outputs, {**inputs, **self.state})
        out = dict(zip(self._outputs, values, strict=True))
        for name in self._states:
            self.state[name.removeprefix("next_")] = out[name]
        return out[self._outputs[0]]


@pytest.mark.parametrize("most", [1, 8])
def test_encoder_in_any_chunks_is_the_runtimes(any_bundle: Bundle, most: int) -> None:
    encoder = session(graphs.encoder_graph(any_bundle))
    mel, _ = _core.log_mel(speech_like(2, 16000))
    expected = _core.Encoder(core_model(any_bundle)).push(mel)
    rng = np.random.default_rng(1)
    streaming, got, at = Streaming(graphs.encoder_ports(any_bundle)), [], 0
    while at < len(mel):
        count = int(rng.integers(1, most + 1))
        got.append(streaming(encoder, mel=mel[None, at : at + count])[0])
        at += count
    np.testing.assert_allclose(np.concatenate(got), expected, atol=1e-4)
    # The histories are what a single call leaves.
    once = Streaming(graphs.encoder_ports(any_bundle))
    once(encoder, mel=mel[None])
    for name, history in once.state.items():
        np.testing.assert_allclose(streaming.state[name], history, atol=1e-5)


def test_voices_of_a_batch_begin_when_they_like(bundle_with_context: Bundle) -> None:
    """Tokens are pairs of columns: a voice that begins at an odd one has its own beat."""
    encoder = session(graphs.encoder_graph(bundle_with_context))
    streaming = Streaming(graphs.encoder_ports(bundle_with_context), 3)
    alone = [_core.Encoder(core_model(bundle_with_context)) for _ in range(3)]
    rng = np.random.default_rng(5)
    for call in range(40):
        mel = rng.standard_normal((3, int(rng.integers(1, 6)), 80)).astype(np.float32)
        if call in (7, 15):
            for state in streaming.state.values():
                state[call % 3] = 0
            alone[call % 3].reset()
        got = streaming(encoder, mel=mel)
        for voice, one in enumerate(alone):
            np.testing.assert_allclose(got[voice], one.push(mel[voice]), atol=1e-4)
    assert len({float(c) % 2 for c in streaming.state["clock"].ravel()}) == 2


def test_float16_encoder_stays_near(any_bundle: Bundle) -> None:
    """2e-2 in features of about 1, over more than one window."""
    mel, _ = _core.log_mel(speech_like(2, 16000))
    encoder = session(graphs.encoder_graph(any_bundle, "float16"))
    got = Streaming(graphs.encoder_ports(any_bundle))(encoder, mel=mel[None])[0]
    expected = _core.Encoder(core_model(any_bundle)).push(mel)
    np.testing.assert_allclose(got, expected, atol=2e-2)
    assert np.abs(got - expected).max() > 0


@pytest.mark.parametrize("model", ["random", "context", "embedded"])
def test_frame_by_frame_is_runtime_step_state_for_state(
    bundle_at_60: Bundle, bundle_with_context: Bundle, model: str
) -> None:
    """200 frames: audio in random chunks through both; curves and GRU states within 1e-4.

    A gate that is always open, a pinned identity and no post-processing leave what the graphs
    compute; log-mel, alignment and noise are the runtime's own.
    """
    known = {"random": bundle_at_60, "context": bundle_with_context}
    source = known[model] if model in known else read()
    manifest = {
        **source.manifest,
        "gate": {"threshold_minimum_db": -150.0, "threshold_maximum_db": -140.0, "attack_ms": 0.0},
        "postprocess": {name: {"minimum": -1000.0, "maximum": 1000.0} for name in CURVES},
    }
    bundle = Bundle(source.path, manifest, source.tensors)
    encoder = session(graphs.encoder_graph(bundle))
    samplers = {f: session(graphs.sampler_graph(bundle, f)) for f in FRAMES}
    core = core_model(bundle)
    rng = np.random.default_rng(2)
    audio = speech_like(200 / 60, 16000)
    identity = bundle.identities[2]
    rt = Runtime(bundle, seed=4, identity=identity, idle=0, precision="float32")
    parts, at = [], 0
    while at < len(audio):
        size = int(rng.integers(0, 1200))
        parts.append(rt.step(audio[at : at + size]))
        at += size
    expected = np.concatenate([*parts, rt.flush()])
    assert len(expected) == 200

    mel, _ = _core.log_mel(np.concatenate([audio, np.zeros(16000, np.float32)]))
    encode = Streaming(graphs.encoder_ports(bundle))
    sample = Streaming(graphs.sampler_ports(bundle, 1))
    reference = _core.Sampler(core)
    identity = bundle.identity_features()[2]
    features = np.empty((0, len(identity)), np.float32)
    table, statistics = graphs.step_table(bundle), bundle.tensors
    frame = columns = 0
    while frame < 200:
        count = int(rng.integers(1, 12))
        new = encode(encoder, mel=mel[None, columns : columns + count])[0]
        features, columns = np.concatenate([features, new]), columns + count
        # Frame f reads column 100 f / rate + lookahead, between the two nearest.
        audio_features = []
        while frame + len(audio_features) < 200:
            place = (frame + len(audio_features)) * Fraction(100) / bundle.frame_rate
            place += manifest["encoder"]["lookahead_columns"]
            i, share = int(place), np.float32(place % 1)
            if i + (share > 0) >= len(features):
                break
            after = features[i + 1] if share else features[i]
            audio_features.append((1 - share) * features[i] + share * after)
        at = 0
        while at < len(audio_features):
            fits = [f for f in FRAMES if f <= len(audio_features) - at]
            step = int(rng.choice(fits))
            inputs = {
                "audio": np.stack(audio_features[at : at + step])[None],
                "identity": np.repeat(identity[None, None], step, axis=1),
                "noise": (_core.noise(4, frame, step) * bundle.noise_scale())[None],
            }
            x0 = sample(samplers[step], **inputs, step_table=table)[0]
            curves = x0 * statistics["statistics.std"] + statistics["statistics.mean"]
            np.testing.assert_allclose(curves, expected[frame : frame + step], atol=1e-4)
            reference.sample(*(inputs[name][0] for name in ("audio", "identity", "noise")))
            np.testing.assert_allclose(sample.state["state"][:, :, 0], reference.state(), atol=1e-4)
            at, frame = at + step, frame + step


def test_voices_in_a_batch_do_not_mix(bundle_at_60: Bundle, samplers, core) -> None:
    voices, steps, channels = 3, 5, 32
    sample = Streaming(graphs.sampler_ports(bundle_at_60, 4), voices)
    alone = [_core.Sampler(core) for _ in range(voices)]
    for step in range(steps):
        audio = np.stack([_core.noise(10 + v, 4 * step, 4, channels) for v in range(voices)])
        identity = np.stack([_core.noise(20 + v, 4 * step, 4, channels) for v in range(voices)])
        noise = np.stack([_core.noise(v, 4 * step, 4) for v in range(voices)])
        got = sample(samplers[4], audio=audio, identity=identity, noise=noise,
                     step_table=graphs.step_table(bundle_at_60))  # fmt: skip
        for v, one in enumerate(alone):
            expected = one.sample(audio[v], identity[v], noise[v])
            np.testing.assert_allclose(got[v], expected, atol=1e-4)
            np.testing.assert_allclose(sample.state["state"][:, :, v], one.state(), atol=1e-4)


def test_encoder_is_pytorchs(any_bundle: Bundle) -> None:
    torch = pytest.importorskip("torch")
    from diffusiontalker.train.networks.bundled import load_talker

    encoder = session(graphs.encoder_graph(any_bundle))
    mel = np.random.default_rng(3).standard_normal((2, 40, 80)).astype(np.float32)
    got = Streaming(graphs.encoder_ports(any_bundle), 2)(encoder, mel=mel)
    with torch.no_grad():
        expected = load_talker(any_bundle).encoder(torch.from_numpy(mel)).numpy()
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_sampler_is_pytorchs(bundle_at_60: Bundle, samplers) -> None:
    torch = pytest.importorskip("torch")
    from diffusiontalker.train.networks.bundled import load_talker
    from diffusiontalker.train.networks.diffusion import alpha_bars, sample, table_row

    talker = load_talker(bundle_at_60)
    audio = _core.noise(1, 0, 8, 32)[None]
    row = talker.identity()[1]
    noise = _core.noise(2, 0, 8)[None]

    def network(x: torch.Tensor, n: int) -> torch.Tensor:
        step = torch.tensor([table_row(n, 8, 32)])
        return talker.decoder(torch.from_numpy(audio), row[None], step, x)[0]

    expected = sample(network, torch.from_numpy(noise), alpha_bars(32, 8)).numpy()
    inputs = {
        "audio": audio,
        "identity": np.repeat(row.numpy()[None, None], 8, axis=1),
        "noise": noise,
        "step_table": graphs.step_table(bundle_at_60),
    }
    unrolled = Streaming(graphs.sampler_ports(bundle_at_60, 8))
    np.testing.assert_allclose(unrolled(samplers[8], **inputs), expected, atol=1e-4)
    loop = Streaming(graphs.sampler_ports(bundle_at_60, "frames"))
    graph = session(graphs.loop_sampler_graph(bundle_at_60))
    np.testing.assert_allclose(loop(graph, **inputs), expected, atol=1e-4)
    np.testing.assert_allclose(loop.state["state"], unrolled.state["state"], atol=1e-4)


@pytest.mark.parametrize("frames", [1, 4])
def test_float16_stays_within_its_tolerance(bundle_at_60: Bundle, core, frames: int) -> None:
    """2e-3 in the curves over 60 frames, the state carried in float32."""
    model = graphs.sampler_graph(bundle_at_60, frames, "float16")
    types = {i.name: i.type.tensor_type.elem_type for i in [*model.graph.input,
                                                          *model.graph.output]}  # fmt: skip
    assert set(types.values()) == {onnx.TensorProto.FLOAT}
    graph, sample = session(model), Streaming(graphs.sampler_ports(bundle_at_60, frames))
    audio, noise = _core.noise(1, 0, 60, 32), _core.noise(2, 0, 60)
    identity = np.repeat(bundle_at_60.identity_features()[:1], 60, axis=0)
    expected = _core.Sampler(core).sample(audio, identity, noise)
    std = bundle_at_60.tensors["statistics.std"]
    table = graphs.step_table(bundle_at_60)
    for f in range(0, 60, frames):
        part = slice(f, f + frames)
        got = sample(graph, audio=audio[None, part], identity=identity[None, part],
                     noise=noise[None, part], step_table=table)  # fmt: skip
        np.testing.assert_allclose(got[0] * std, expected[part] * std, atol=2e-3)


def test_the_hot_path_has_no_loops(bundle_at_60: Bundle) -> None:
    for frames in FRAMES:
        model = graphs.sampler_graph(bundle_at_60, frames)
        kinds = {node.op_type for node in model.graph.node}
        assert not kinds & {"GRU", "Loop", "Scan", "If"}
        assert {"MatMul", "Sigmoid", "Tanh"} <= kinds
        assert model.opset_import[0].version == 17
    assert "GRU" in {n.op_type for n in graphs.loop_sampler_graph(bundle_at_60).graph.node}


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_fewer_steps(tmp_path: Path, steps: int) -> None:
    import random_bundle

    bundle = random_bundle.write(tmp_path, diffusion={
        "train_steps": 32, "sample_steps": steps, "alpha_bar": random_bundle.alpha_bar(steps)
    })  # fmt: skip
    model = core_model(bundle)
    audio, noise = _core.noise(1, 0, 4, 32), _core.noise(2, 0, 4)
    identity = np.zeros((4, 32), np.float32)
    sample = Streaming(graphs.sampler_ports(bundle, 4))
    got = sample(session(graphs.sampler_graph(bundle, 4)), audio=audio[None],
                 identity=identity[None], noise=noise[None],
                 step_table=graphs.step_table(bundle))  # fmt: skip
    expected = _core.Sampler(model).sample(audio, identity, noise)
    np.testing.assert_allclose(got[0], expected, atol=1e-4)


def test_files(bundle_at_60: Bundle, tmp_path: Path) -> None:
    paths = graphs.export_onnx(
        bundle_at_60, tmp_path / "out", frames=(1, 2), precisions=("float32", "float16")
    )
    names = {p.name for p in paths}
    assert names == {
        "talker.onnx", "talker_float16.onnx",
        "encoder.onnx", "encoder_float16.onnx", "sampler_loop.onnx", "sampler_1.onnx",
        "sampler_1_float16.onnx", "sampler_2.onnx", "sampler_2_float16.onnx",
    }  # fmt: skip
    notes = {p.key: p.value for p in onnx.load(tmp_path / "out/sampler_1.onnx").metadata_props}
    assert notes["model_hash"] == engines.model_hash(bundle_at_60)
    with pytest.raises(ValueError, match="frames"):
        graphs.export_onnx(bundle_at_60, tmp_path, frames=(0,))
    with pytest.raises(ValueError, match="precision"):
        graphs.sampler_graph(bundle_at_60, 1, "int8")


def test_the_command(bundle_at_60: Bundle, tmp_path: Path, capsys) -> None:
    from diffusiontalker.train.cli.commands import main

    folder = str(bundle_at_60.path)
    assert main(["export", folder, "--onnx", str(tmp_path), "--frames", "1"]) == 0
    assert (tmp_path / "talker.onnx").is_file()
    assert (tmp_path / "encoder.onnx").is_file()
    assert (tmp_path / "sampler_1.onnx").is_file()
    assert main(["export", folder, "--onnx", str(tmp_path), "--frames", "one"]) == 2
    assert "--frames one: expected whole numbers" in capsys.readouterr().err
