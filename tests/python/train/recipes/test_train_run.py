"""`dt-train run` from takes to a bundle, cut with SIGKILL on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import train_corpus
from paths import CONFIGS

from diffusiontalker import bundle as bundles
from diffusiontalker.train import checkpoint
from diffusiontalker.train.config import Config
from diffusiontalker.train.config import load as load_config
from diffusiontalker.train.data import streams
from diffusiontalker.train.networks.bundled import add_metrics
from diffusiontalker.train.networks.model import build
from diffusiontalker.train.recipes import run
from diffusiontalker.train.stages.finish import finish_pooled_mean

CONFIG = CONFIGS / "tiny.toml"


def command(folders: dict[str, Path], out: Path) -> list[str]:
    sources = [f"--data={name}={folder}" for name, folder in folders.items()]
    program = [sys.executable, "-m", "diffusiontalker.train.cli", "run", str(CONFIG)]
    return [*program, *sources, "--out", str(out)]


@pytest.mark.slow
def test_a_killed_run_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    folders = train_corpus.write_corpus(tmp_path)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    done = subprocess.run(command(folders, whole), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "skipped truncated.json" in done.stdout

    # Kill it twice: within the teacher, and within the first student.
    for waited in (cut / "0-teacher" / "checkpoint.pt", cut / "1-student-16" / "checkpoint.pt"):
        running = subprocess.Popen(command(folders, cut), stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not waited.exists() and time.monotonic() < deadline:
            assert running.poll() is None, "the run ended before it could be killed"
            time.sleep(0.005)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    assert not (cut / "bundle").exists()
    done = subprocess.run(command(folders, cut), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr

    first, second = bundles.read(whole / "bundle"), bundles.read(cut / "bundle")
    for name, value in first.tensors.items():
        np.testing.assert_allclose(second.tensors[name], value, atol=2e-3, err_msg=name)
    assert first.identities == ("anna", "bert", "measured")
    assert first.manifest["postprocess"]["tongueOut"] == {"gain": 0.0}  # nothing ever moved it
    one = json.loads((whole / "report.json").read_text())
    two = json.loads((cut / "report.json").read_text())
    assert one["spoken"]["own"]["lbe"] == pytest.approx(two["spoken"]["own"]["lbe"], rel=0.01)
    assert one["measured"]["own"]["clips"] == 1
    assert one["spoken"]["own"]["closures_asked"] == 6
    sources = first.manifest["training"]["sources"]
    assert [source["takes"] for source in sources] == [4, 4]
    assert first.manifest["training"]["metrics"] == one
    data = json.loads((whole / "data.json").read_text())
    assert len(data["skipped"]) == 2

    # The same folder with other settings is refused, not mixed.
    other = tmp_path / "other.toml"
    other.write_text(CONFIG.read_text().replace("seed = 3", "seed = 4"))
    refused = subprocess.run(
        [*command(folders, whole)[:4], str(other), *command(folders, whole)[5:]],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert refused.returncode == 2
    assert "another configuration" in refused.stderr


@pytest.mark.slow
def test_a_run_killed_while_its_context_learns_ends_the_same(shared: Path, tmp_path: Path) -> None:
    folders = train_corpus.write_corpus(tmp_path)
    text = CONFIG.read_text()
    text = text[: text.index("[[stages]]\nsteps = 16")].replace("epochs = 3", "epochs = 1")
    text = text.replace("versions = 2", "versions = 1")
    weights = shared / "weights" / "whisper_tiny_en_encoder_fp16.npz"
    text += f"""
[[stages]]
steps = 32
epochs = 1
batch = 4
window_frames = 90
train_context = true

[encoder.context]
layers = 1
window = 8

[listening]
weights = "{weights}"
epochs = 3
batch = 2
segment_s = 1.0
warmup_steps = 2
"""
    config = tmp_path / "context.toml"
    config.write_text(text)

    def words(out: Path) -> list[str]:
        whole = command(folders, out)
        return [*whole[:4], str(config), *whole[5:], "--no-evaluate"]

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    done = subprocess.run(words(whole), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    running = subprocess.Popen(words(cut), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (cut / "context" / "checkpoint.pt").exists() and time.monotonic() < deadline:
        assert running.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not (cut / "context" / "final.pt").exists()
    done = subprocess.run(words(cut), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    for part, key in (("context", "context"), ("0-teacher", "talker"), ("1-teacher", "talker")):
        first, second = (checkpoint.load(run / part / "final.pt")[key] for run in (whole, cut))
        for name, value in first.items():
            np.testing.assert_array_equal(second[name], value, err_msg=name)
    bundle = bundles.read(cut / "bundle")
    assert bundle.sha256 == bundles.read(whole / "bundle").sha256
    assert bundle.manifest["encoder"]["context"]["layers"] == 1

    # Export reads the context that is there, wherever Whisper's weights lay (`--whisper`).
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text(text.replace(str(weights), "gone.npz"))
    again = tmp_path / "again"
    export_words = ["export", str(elsewhere), *words(whole)[5:-1], "--to", str(again)]
    done = subprocess.run(
        [*words(whole)[:3], *export_words], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert bundles.read(again).sha256 == bundle.sha256

    # The first stage reads the context as it learnt to listen; the second moves it.
    listened = checkpoint.load(whole / "context" / "final.pt")["context"]
    for part, moved in (("0-teacher", False), ("1-teacher", True)):
        talker = checkpoint.load(whole / part / "final.pt")["talker"]
        for name in ("conv1.weight", "layers.0.qkv.weight", "layers.0.distance"):
            one, other = listened[name], talker[f"encoder.context.{name}"]
            assert bool((one == other).all()) != moved, (part, name)
    # The mean that voices are matched against is of what the moved context hears, not of the tokens
    # that were cached before it moved.
    speakers = list(bundle.identities)
    (cached,) = (whole / "cache").glob("*-0.npz")
    talker = build(load_config(config), speakers)
    talker.load_state_dict(checkpoint.load(whole / "1-teacher" / "final.pt")["talker"])
    means = {}
    for live in (True, False):
        finish_pooled_mean(talker, streams.load_streams(cached), speakers, live=live)
        means[live] = talker.identity.pooled_mean.numpy().copy()
    written = bundle.tensors["identity.pooled_mean"]
    np.testing.assert_allclose(written, means[True], rtol=1e-3)  # it is kept in half precision
    assert np.abs(written - means[False]).max() > 0.01


CONFIGS = sorted(CONFIG.parent.glob("*.toml"))


@pytest.mark.parametrize("file", CONFIGS, ids=[file.stem for file in CONFIGS])
def test_shipped_configurations_are_whole(file: Path) -> None:
    """They load, end on a sampler of few steps, and hold recordings out."""
    settings = load_config(file)
    # These teach an ear, by a regression that a sampler goes on from.
    ears = ("hears", "hears_all", "hears_two")
    assert settings.sample_steps == (1 if settings.name in ears else 8)
    # The six people are few: two_out.toml holds out two of them whole.
    assert all(s.hold_out or s.hold_out_per_speaker or s.name == "people" for s in settings.sources)
    assert settings.name == file.stem
    if settings.context is not None and not settings.start_from:
        assert settings.listening.weights


def test_whisper_is_looked_for_where_the_command_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from diffusiontalker.train.cli.commands import main

    folder = tmp_path / "beat"
    take = train_corpus.BeatTake("1_anna_0_1_1")
    train_corpus.write_beat(folder / "1", take, seed=1)
    for number in range(2, 7):
        again = replace(take, name=f"1_anna_0_{number}_{number}")
        train_corpus.write_beat(folder / "1", again, seed=number)
    config = CONFIG.parent / "beat.toml"
    words = ["run", str(config), f"--data=beat={folder}", "--out", str(tmp_path / "run")]
    assert main([*words, "--whisper", str(tmp_path / "tiny.en.pt")]) == 2
    said = capsys.readouterr().err
    assert f"no Whisper weights {tmp_path / 'tiny.en.pt'}: give an npz" in said.replace("\n", " ")


def test_a_run_writes_its_weights_once(tiny: Config, tmp_path: Path) -> None:
    """From recordings to a bundle; what was measured of it completes its manifest alone."""
    config = replace(tiny, stages=(replace(tiny.stages[0], epochs=1),))
    seen: list[str] = []
    progress = run.Progress(
        on_take=lambda: seen.append("take"),
        on_version=lambda version: seen.append(f"version {version}"),
        on_step=lambda name, *_: seen.append(name),
    )
    bundle = run.train_bundle(config, tmp_path, progress)
    assert bundle is not None
    assert bundle.path == tmp_path / "bundle"
    assert list(dict.fromkeys(seen)) == ["take", "version 0", "version 1", "teacher"]
    weights = bundle.path / bundles.WEIGHTS
    before = weights.stat().st_mtime_ns
    text = (bundle.path / bundles.MANIFEST).read_text()
    measured = add_metrics(bundle, {"measured": {"auto": {"mbe": 0.25}}})
    assert weights.stat().st_mtime_ns == before
    assert measured.manifest["training"].pop("metrics") == {"measured": {"auto": {"mbe": 0.25}}}
    assert measured.manifest == bundle.manifest
    # As if it had been written whole.
    made_of = {**bundle.manifest["training"], "metrics": {"measured": {"auto": {"mbe": 0.25}}}}
    manifest = {**bundle.manifest, "training": made_of}
    bundles.write(tmp_path / "whole", manifest, bundle.tensors, dtype=config.dtype)
    again = (bundle.path / bundles.MANIFEST).read_text()
    assert (tmp_path / "whole" / bundles.MANIFEST).read_text() == again != text


def test_export_writes_the_mean_that_the_run_ended_on(tmp_path: Path) -> None:
    from diffusiontalker.train.cli.commands import main

    folders = train_corpus.write_corpus(tmp_path)
    text = CONFIG.read_text()
    stage = "[[stages]]\nsteps = 8\nepochs = 2\nbatch = 4\nwindow_frames = 90\nwarmup_steps = 1\n"
    config = tmp_path / "mean.toml"
    config.write_text("average = 2\n" + text[: text.index("[[stages]]")] + stage + stage)
    words = [str(config), *(f"--data={name}={folder}" for name, folder in folders.items())]
    words += ["--out", str(tmp_path / "run")]
    assert main(["run", *words, "--no-evaluate"]) == 0
    assert main(["export", *words, "--to", str(tmp_path / "again")]) == 0
    made = bundles.read(tmp_path / "run" / "bundle")
    assert bundles.read(tmp_path / "again").sha256 == made.sha256
    first, last = (
        checkpoint.load(tmp_path / "run" / f"{index}-teacher" / "final.pt")["talker"]
        for index in range(2)
    )
    name = "decoder.head.weight"
    mean = (first[name] + last[name]) / 2
    assert float((first[name] - last[name]).abs().max()) > 1e-3
    np.testing.assert_allclose(made.tensors[name], mean, atol=2e-4)  # in half precision
