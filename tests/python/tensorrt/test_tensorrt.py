"""Engines on disk, the choice of a backend, and engines built by TensorRT for RTX where it is
installed. No test here needs a GPU; none says that an engine runs."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT

from diffusiontalker import Runtime
from diffusiontalker.bundle import Bundle
from diffusiontalker.tensorrt import engines
from diffusiontalker.tensorrt.engines import BackendError


@pytest.fixture(autouse=True)
def _plain_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENGINES", "PLUGIN", "LIBRARY", "PRECISION"):
        monkeypatch.delenv(f"DT_TENSORRT_{name}", raising=False)
    # As in a package that was built without TensorRT's headers.
    monkeypatch.setattr(engines, "plugin_path", lambda: "")
    engines._told.clear()


def write_engine(folder: Path, bundle: Bundle, **changes: object) -> engines.Engine:
    """An engine's two files, with contents that no TensorRT would take."""
    engine = engines.Engine(
        path=folder / "sampler-1x1.engine", graph="sampler", frames=1, streams=1,
        precision="float32", model=bundle.name, model_hash=engines.model_hash(bundle),
        library="tensorrt_rtx", library_version="1.7.1.116", capabilities=("8.6", "8.9"),
        bytes=6, sha256=hashlib.sha256(b"engine").hexdigest(),
    )  # fmt: skip
    engine = replace(engine, **changes)
    folder.mkdir(exist_ok=True)
    engine.path.write_bytes(b"engine")
    engine.path.with_suffix(".json").write_text(json.dumps(engine.sidecar()))
    return engine


# ---- what is missing -------------------------------------------------------------------------


def test_tensorrt_says_what_is_missing(bundle_at_60: Bundle) -> None:
    with pytest.raises(BackendError, match=r"not built; build .* TENSORRT_ROOT"):
        Runtime(bundle_at_60, backend="tensorrt")
    with pytest.raises(BackendError, match="expected auto, cpu, tensorrt, got 'opencl'"):
        Runtime(bundle_at_60, backend="opencl")


def test_auto_takes_the_cpu_and_says_so_once(bundle_at_60: Bundle, caplog) -> None:
    with caplog.at_level(logging.WARNING, "diffusiontalker"):
        runtimes = [Runtime(bundle_at_60, backend="auto") for _ in range(3)]
    assert [r.backend for r in runtimes] == ["cpu"] * 3
    (record,) = caplog.records
    assert "using the CPU" in record.message
    assert "not built" in record.message
    plain = Runtime(bundle_at_60)
    audio = np.sin(np.arange(4000) / 9).astype(np.float32)
    np.testing.assert_array_equal(runtimes[0].step(audio), plain.step(audio))


def test_a_plugin_that_cannot_be_opened(bundle_at_60: Bundle, monkeypatch) -> None:
    monkeypatch.setattr(engines, "plugin_path", lambda: "/nowhere/libdt_tensorrt.so")
    with pytest.raises(BackendError, match=r"/nowhere/libdt_tensorrt\.so"):
        Runtime(bundle_at_60, backend="tensorrt")
    assert Runtime(bundle_at_60, backend="auto").backend == "cpu"


# ---- engines on disk -------------------------------------------------------------------------


def test_find_takes_the_bundles_own_engines(bundle_at_60: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"no TensorRT engine of 'random'.*--tensorrt"):
        engines.find(bundle_at_60, tmp_path)
    engine = write_engine(tmp_path, bundle_at_60)
    assert engines.find(bundle_at_60, tmp_path) == [engine]


def test_find_refuses_engines_of_another_model(
    bundle_at_60: Bundle, bundle_at_2997: Bundle, tmp_path: Path
) -> None:
    write_engine(tmp_path, bundle_at_60, model="other", model_hash="0123456789abcdef")
    with pytest.raises(BackendError, match=r"of another model \(other, 0123456789ab\)"):
        engines.find(bundle_at_60, tmp_path)
    write_engine(tmp_path, bundle_at_60, precision="float16")
    with pytest.raises(BackendError, match="there are engines in float16"):
        engines.find(bundle_at_60, tmp_path)
    write_engine(tmp_path, bundle_at_60, frames=4)
    with pytest.raises(BackendError, match="no TensorRT engine"):
        engines.find(bundle_at_60, tmp_path)
    # Rate and post-processing are no part of the graphs.
    assert engines.model_hash(bundle_at_60) == engines.model_hash(bundle_at_2997)


def test_the_model_hash_follows_the_schedule(bundle_at_60: Bundle) -> None:
    diffusion = {**bundle_at_60.manifest["diffusion"]}
    diffusion["alpha_bar"] = [0.9 * a for a in diffusion["alpha_bar"]]
    other = Bundle(
        bundle_at_60.path, {**bundle_at_60.manifest, "diffusion": diffusion}, bundle_at_60.tensors
    )
    assert engines.model_hash(other) != engines.model_hash(bundle_at_60)


def test_a_damaged_engine_is_refused(bundle_at_60: Bundle, tmp_path: Path) -> None:
    engine = write_engine(tmp_path, bundle_at_60)
    engine.path.write_bytes(b"eng")
    with pytest.raises(BackendError, match="expected 6 bytes, got 3: cut short"):
        engines.find(bundle_at_60, tmp_path)
    engine.path.write_bytes(b"enginf")
    with pytest.raises(BackendError, match="not those of its sidecar"):
        engines.find(bundle_at_60, tmp_path)
    engine.path.unlink()
    with pytest.raises(BackendError, match="got 0: cut short or lost"):
        engines.find(bundle_at_60, tmp_path)
    sidecar = engine.path.with_suffix(".json")
    for text, words in [
        ("{", "no usable sidecar"),
        ("[]", "no usable sidecar"),
        (json.dumps({**engine.sidecar(), "frames": "many"}), "no usable sidecar"),
        (json.dumps({**engine.sidecar(), "format_version": 2}), "version 1, got"),
    ]:
        sidecar.write_text(text)
        with pytest.raises(BackendError, match=words):
            engines.read(sidecar)


def test_library_path_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DT_TENSORRT_LIBRARY", "/opt/libnvinfer.so.10")
    assert engines.library_path() == "/opt/libnvinfer.so.10"


def built_for(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """As in a package that was built with that library's headers, beside a GPU."""
    monkeypatch.setattr(engines, "plugin_path", lambda: "libdt_tensorrt.so")
    monkeypatch.setattr(engines._core, "tensorrt_library", lambda plugin: library)
    monkeypatch.setattr(engines._core, "probe_tensorrt", lambda plugin, path: "a GPU")


@pytest.mark.parametrize("library", ["tensorrt", "tensorrt_rtx"])
def test_the_library_is_that_of_the_backends_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    """Both wheels may be installed: `pip install '.[tensorrt]'` brings that for RTX."""
    files = {"tensorrt": "libnvinfer.so.10", "tensorrt_rtx": "libtensorrt_rtx.so.1"}
    for package, name in ((f"{kind}_libs", name) for kind, name in files.items()):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / name).touch()
        monkeypatch.delitem(sys.modules, package, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    built_for(monkeypatch, library)
    assert Path(engines.library_path()) == tmp_path / f"{library}_libs" / files[library]


def test_engines_of_the_other_library_are_left_out(
    bundle_at_60: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DT_TENSORRT_ENGINES", str(tmp_path))
    write_engine(tmp_path, bundle_at_60)
    built_for(monkeypatch, "tensorrt")
    words = r"are for TensorRT for RTX, and the backend was built for TensorRT; .* --tensorrt$"
    with pytest.raises(BackendError, match=words):
        engines.options(bundle_at_60)
    own = write_engine(
        tmp_path, bundle_at_60, library="tensorrt", path=tmp_path / "sampler-a.engine"
    )
    (chosen,) = engines.options(bundle_at_60)["engines"]
    assert chosen["path"] == str(own.path)
    own.path.with_suffix(".json").unlink()
    built_for(monkeypatch, "tensorrt_rtx")
    assert len(engines.options(bundle_at_60)["engines"]) == 1


# ---- building --------------------------------------------------------------------------------


def export(*arguments: str) -> int:
    pytest.importorskip("torch")
    from diffusiontalker.train.cli.commands import main

    return main(["export", *arguments])


def test_building_says_what_is_missing(bundle_at_60: Bundle, capsys, monkeypatch) -> None:
    pytest.importorskip("onnx")
    for name in ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    folder = str(bundle_at_60.path)
    assert export(folder, "--tensorrt", "--rtx", "--capability", "8.9") == 2
    assert "TensorRT for RTX is not installed" in capsys.readouterr().err
    assert export(folder, "--tensorrt", "--capability", "8.9") == 2
    assert "add --rtx" in capsys.readouterr().err
    assert export(folder, "--tensorrt", "--streams", "0") == 2
    assert "--streams" in capsys.readouterr().err
    assert export(folder, "--tensorrt", "--rtx", "--capability", "8.9", "--frames", "0") == 2
    assert "frames: expected whole numbers from 1 to 64, got 0" in capsys.readouterr().err


@pytest.mark.slow
def test_rtx_builds_caches_and_refuses(bundle_with_context: Bundle, tmp_path: Path, capsys) -> None:
    """The whole path, with a context, and samplers, for three kinds of GPU that are not here."""
    pytest.importorskip("onnx")
    pytest.importorskip("tensorrt_rtx_bindings")
    folder = str(bundle_with_context.path)
    command = (folder, "--tensorrt", "--rtx", "--out", str(tmp_path), "--frames", "1,2",
               "--capability")  # fmt: skip
    assert export(*command, "8.6,8.9,12.0") == 0
    out = capsys.readouterr().out
    assert out.count("built in") == 3  # the whole path and two samplers
    assert "building the engine sampler 1" in out
    files = sorted(p.name for p in tmp_path.glob("*.engine"))
    assert len(files) == 3
    assert all("sm86-sm89-sm120" in name for name in files)
    found = engines.find(bundle_with_context, tmp_path, graph="sampler")
    assert sorted(e.frames for e in found) == [1, 2]
    (talker,) = engines.find(bundle_with_context, tmp_path)
    assert talker.graph == "talker"
    assert talker.streams == 1
    assert found[0].capabilities == ("8.6", "8.9", "12.0")

    # Again: from the cache, no file touched. A damaged one is built anew.
    times = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    assert export(*command, "8.6,8.9,12.0") == 0
    assert capsys.readouterr().out.count("from the cache") == 3
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == times
    found[0].path.write_bytes(found[0].path.read_bytes()[:1000])
    assert export(*command, "8.6,8.9,12.0") == 0
    out = capsys.readouterr().out
    assert out.count("from the cache") == 2
    assert out.count("built in") == 1

    assert export(*command, "9.0") == 2
    error = capsys.readouterr().err
    assert "compute capability 9.0" in error
    assert "8.9" in error


def test_rtx_reads_the_large_and_half_graphs(
    bundle_at_60: Bundle, bundle_with_context: Bundle
) -> None:
    """The parser takes every graph; building them all would take minutes."""
    pytest.importorskip("onnx")
    trt = pytest.importorskip("tensorrt_rtx_bindings")
    from diffusiontalker.tensorrt import graphs

    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    models = [graphs.sampler_graph(bundle_at_60, 8, p) for p in ("float32", "float16")]
    models.append(graphs.encoder_graph(bundle_at_60, "float16"))
    models += [graphs.encoder_graph(bundle_with_context, p) for p in ("float32", "float16")]
    models += [graphs.talker_graph(b, "float16") for b in (bundle_at_60, bundle_with_context)]
    models += [graphs.talker_graph(bundle_with_context, p, [1.0] * 60) for p in ("int8", "fp8")]
    for model in models:
        network = builder.create_network()
        parser = trt.OnnxParser(network, logger)
        assert parser.parse(model.SerializeToString()), parser.get_error(0)
        half = {i.name for i in model.graph.input if i.type.tensor_type.elem_type == 10}
        for i in range(network.num_inputs):
            port = network.get_input(i)
            assert port.dtype == (trt.float16 if port.name in half else trt.float32)


@pytest.mark.slow
def test_the_gpu_report_runs_as_far_as_it_can(bundle_with_context: Bundle, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    if torch.cuda.is_available():
        pytest.skip("on a GPU it is run by hand")
    script = ROOT / "cpp/bench/gpu_report.py"
    out = tmp_path / "report.md"
    command = [sys.executable, str(script), str(bundle_with_context.path), "--seconds", "0.01",
               "--voices", "1", "--out", str(out)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    text = out.read_text()
    assert "# no GPU" in text
    assert "| float32, PyTorch, eager | 1 |" in text
    assert "| float16, ONNX Runtime | 1 |" in text
    assert "TensorRT was not measured: TensorRT backend: " in text
    for bad in ("BEYOND", "broke off"):
        assert bad not in text
    data = json.loads(out.with_suffix(".json").read_text())
    assert data["device"] == "no GPU"
    assert not data["failed"]
    (eager,) = [r for r in data["rows"] if r["what"] == "float32, PyTorch, eager"]
    assert eager["voices"] == 1
    assert eager["p99_ms"] >= eager["p50_ms"] > 0
