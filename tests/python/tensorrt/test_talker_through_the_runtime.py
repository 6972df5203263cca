"""`Runtime(streams=N, backend="tensorrt")` from end to end on a machine without a GPU.

The backend's real source runs on stand-ins for CUDA and TensorRT, whose engine is the exported
graph in ONNX Runtime: so the runtime's list of bindings, its ticks and its states are held to the
graph's own. What it does not show is TensorRT.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT
from test_runtime import speech_like

from diffusiontalker import Runtime
from diffusiontalker.bundle import Bundle
from diffusiontalker.tensorrt import engines

pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
from diffusiontalker.tensorrt import graphs  # noqa: E402

STREAMS = 3
_CALLBACK = ctypes.CFUNCTYPE(
    None, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(ctypes.c_void_p)
)


class Standins:
    """The library, and the engine's work."""

    def __init__(self, folder: Path) -> None:
        standin, source = ROOT / "tests/tensorrt/standin", ROOT / "cpp/src"
        plugin = folder / "plugin.cpp"
        files = sorted((source / "sampler/tensorrt/plugin").glob("*.cpp"))
        plugin.write_text("".join(f'#include "{file}"\n' for file in files))
        self.path = folder / "libstandin.so"
        # One library, whose own functions come first: a PyTorch built for CUDA, imported by any
        # test before, has the real ones loaded for the whole process.
        subprocess.run(
            [
                "g++", "-std=c++17", "-O0", "-fPIC", "-shared", "-Wl,-Bsymbolic", f"-I{standin}",
                f"-I{source}", str(plugin), *map(str, sorted(standin.glob("*.cpp"))), "-o",
                str(self.path),
            ],
            check=True,
        )  # fmt: skip
        self.calls = ctypes.CDLL(str(self.path))

    def run(self, bundle: Bundle, precision: str) -> None:
        """From now on the engine's work is the bundle's graph."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(
            graphs.talker_graph(bundle, precision).SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
        )
        inputs, outputs = graphs.talker_ports(bundle, precision)

        def array(port: graphs.Port, address: int) -> np.ndarray:
            shape = [STREAMS if size == "streams" else int(size) for size in port.shape]
            kind = np.float16 if port.half else np.float32
            size = int(np.prod(shape)) * np.dtype(kind).itemsize
            raw = (ctypes.c_char * size).from_address(address)
            return np.frombuffer(raw, kind).reshape(shape)

        def compute(count: int, names: ctypes.Array, data: ctypes.Array) -> None:
            at = {names[i].decode(): data[i] for i in range(count)}
            assert set(at) == {p.name for p in (*inputs, *outputs)}
            values = session.run(None, {p.name: array(p, at[p.name]) for p in inputs})
            for port, value in zip(session.get_outputs(), values, strict=True):
                (own,) = (p for p in outputs if p.name == port.name)
                array(own, at[own.name])[...] = value

        self._callback = _CALLBACK(compute)  # held: the library keeps its address alone
        self.calls.standin_compute_with(self._callback)


@pytest.fixture(scope="module")
def standins(tmp_path_factory: pytest.TempPathFactory) -> Standins:
    if shutil.which("g++") is None or sys.platform != "linux":
        pytest.skip("the stand-ins are built with g++ on Linux")
    return Standins(tmp_path_factory.mktemp("standins"))


def write_engine(folder: Path, bundle: Bundle, precision: str, streams: int = 8) -> None:
    """An engine of the stand-in: its bindings in a text (tests/tensorrt/standin/nvinfer.cpp)."""
    text = "standin engine\n"
    for direction, ports in zip(
        ("input", "output"), graphs.talker_ports(bundle, precision), strict=True
    ):
        for port in ports:
            sizes = " ".join("-1" if size == "streams" else str(size) for size in port.shape)
            kind = "float16" if port.half else "float32"
            text += f"{direction} {port.name} {kind} {sizes} voices 1 {streams}\n"
    blob = (text + "end\n").encode()
    engine = engines.Engine(
        path=folder / f"talker-{precision}-{streams}.engine", graph="talker", frames=1,
        streams=streams, precision=precision, model=bundle.name,
        model_hash=engines.model_hash(bundle, "talker"), library="tensorrt",
        library_version="10.16.0.72", capabilities=("8.9",), bytes=len(blob),
        sha256=hashlib.sha256(blob).hexdigest(),
    )  # fmt: skip
    engine.path.write_bytes(blob)
    engine.path.with_suffix(".json").write_text(json.dumps(engine.sidecar()))


@pytest.fixture
def device(standins: Standins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Standins:
    """A machine whose GPU is the stand-in."""
    monkeypatch.setenv("DT_TENSORRT_PLUGIN", str(standins.path))
    monkeypatch.setenv("DT_TENSORRT_LIBRARY", str(standins.path))
    monkeypatch.setenv("DT_TENSORRT_ENGINES", str(tmp_path))
    monkeypatch.delenv("DT_TENSORRT_PRECISION", raising=False)
    standins.calls.standin_fail(b"")
    return standins


@pytest.mark.parametrize(("precision", "limit"), [("float32", 1e-4), ("float16", 2e-3)])
def test_streams_are_runtimes_of_their_own(
    bundle_with_context: Bundle, tmp_path: Path, device: Standins, monkeypatch, precision, limit
) -> None:
    """Ragged chunks, a stream that begins anew, one that ends early: gate, post-processing and idle
    motion included."""
    bundle = bundle_with_context
    write_engine(tmp_path, bundle, precision)
    monkeypatch.setenv("DT_TENSORRT_PRECISION", precision)
    device.run(bundle, precision)
    common = {"seed": [1, 2, 3], "identity": ["auto", "bob", "auto"], "streams": STREAMS}
    gpu = Runtime(bundle, backend="tensorrt", **common)
    assert gpu.backend == "tensorrt"
    cpu = Runtime(bundle, precision="float32", **common)
    audio = speech_like(2, 16000)
    rng = np.random.default_rng(5)
    at = [0] * STREAMS
    worst = 0.0
    for call in range(30):
        sizes = [int(rng.integers(0, 900)) * int(rng.integers(0, 4) > 0) for _ in at]
        chunks = [audio[a : a + size] for a, size in zip(at, sizes, strict=True)]
        at = [a + size for a, size in zip(at, sizes, strict=True)]
        if call == 12:
            for runtime in (gpu, cpu):
                runtime.reset(2)
            at[2] = 0
        for got, expected in zip(gpu.step(chunks), cpu.step(chunks), strict=True):
            assert got.shape == expected.shape
            worst = max(worst, float(np.abs(got - expected).max(initial=0)))
    for stream in range(STREAMS):
        got, expected = gpu.flush(stream), cpu.flush(stream)
        worst = max(worst, float(np.abs(got - expected).max(initial=0)))
        names = gpu.identities
        scores = [[r.identity_scores(stream)[n] for n in names] for r in (gpu, cpu)]
        np.testing.assert_allclose(*scores, atol=limit)
    assert 0 < worst < limit


def test_a_device_that_fails_is_a_sentence(
    bundle_with_context: Bundle, tmp_path: Path, device: Standins
) -> None:
    """No stream goes on on the CPU that was told to be on the GPU."""
    bundle = bundle_with_context
    write_engine(tmp_path, bundle, "float32")
    device.run(bundle, "float32")
    gpu = Runtime(bundle, backend="auto", streams=STREAMS)
    chunks = [speech_like(0.2, 16000)] * STREAMS
    whole = gpu.step(chunks)
    gpu.reset()
    device.calls.standin_fail(b"cudaGraphLaunch")
    with pytest.raises(RuntimeError, match="TensorRT backend: CUDA: cudaGraphLaunch failed"):
        gpu.step(chunks)
    device.calls.standin_fail(b"")
    with pytest.raises(RuntimeError, match="reset the stream first"):
        gpu.step(chunks)
    gpu.reset()
    for got, expected in zip(gpu.step(chunks), whole, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_the_engine_for_so_many_voices(
    bundle_with_context: Bundle, tmp_path: Path, device: Standins
) -> None:
    write_engine(tmp_path, bundle_with_context, "float32", 8)
    write_engine(tmp_path, bundle_with_context, "float32", 4)
    with pytest.raises(engines.BackendError, match=r"at most 4 voices.*at most 8.*--streams 9"):
        Runtime(bundle_with_context, backend="tensorrt", streams=9)
    first = engines.options(bundle_with_context, streams=3)["engines"][0]
    assert first["path"].endswith("-4.engine")
    # Rate and library of identities are in this graph.
    other = Bundle(
        bundle_with_context.path,
        {**bundle_with_context.manifest, "frame_rate": [30, 1]},
        bundle_with_context.tensors,
    )
    with pytest.raises(engines.BackendError, match="of another model"):
        engines.find(other)
