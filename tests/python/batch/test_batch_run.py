"""dt-batch without processes: each file once, whatever cuts it."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile
from inline import Inline, sounds

from diffusiontalker import Runtime
from diffusiontalker.batch import stores
from diffusiontalker.batch.formats import FORMATS
from diffusiontalker.batch.journal import Journal
from diffusiontalker.batch.lines import find
from diffusiontalker.batch.run import REPORT, Tally, check, plan, report, run
from diffusiontalker.batch.stores import JOURNAL, open_store
from diffusiontalker.batch.work import Settings
from diffusiontalker.stream import StreamError
from diffusiontalker.stream.cli import main as stream_main


@dataclass
class Ran:
    """What a run did."""

    done: list[str]
    finished: int
    failures: dict[str, str] = field(default_factory=dict)


def batch(
    source: object,
    out: object,
    *,
    formats: tuple[str, ...] = ("csv",),
    settings: Settings | None = None,
    limit: int | None = None,
    replace: bool = False,
    seed: int = 0,
) -> Ran:
    settings = settings or Settings()
    lines, failures = find([str(source)], out=str(out), identity="auto", seed=seed, formats=formats)
    model, _ = check(lines, settings, formats)
    store = open_store(str(out))
    with store.alone():
        journal = Journal(store)
        todo = plan(lines, settings, model, store, journal, replace=replace)
        workers = Inline(settings, store, limit)
        tally = Tally()
        try:
            tally = run(workers, todo.todo, settings, model, journal, lambda *_: None)
        except KeyboardInterrupt:
            assert limit is not None
        failures += todo.failures + tally.failures
        report(store, failures)
    return Ran(workers.done, todo.finished, {f.out: f.reason for f in failures})


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of each result: both are others once it was written again."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and stores.OWN not in path.parts
    }


def test_results_are_those_of_dt_stream(tmp_path: Path) -> None:
    sounds(tmp_path / "in", ["a/b.wav"], 0.6, 22050)
    batch(tmp_path / "in", tmp_path / "out", formats=("csv", "json", "npz"), seed=3)
    for ending in (".csv", ".jsonl"):
        own = tmp_path / f"own{ending}"
        sound = str(tmp_path / "in" / "a" / "b.wav")
        assert (
            stream_main(["--wav", sound, "--fast", "--seed", "3", "--out", str(own), "--quiet"])
            == 0
        )
        assert (tmp_path / "out" / "a" / f"b{ending}").read_bytes() == own.read_bytes()
    found = np.load(tmp_path / "out" / "a" / "b.npz")
    samples, rate = soundfile.read(tmp_path / "in" / "a" / "b.wav", dtype="float32")
    runtime = Runtime(sample_rate=rate, seed=3)
    curves = np.concatenate([runtime.step(samples), runtime.flush()])
    assert (found["values"] == curves).all()
    assert tuple(found["names"]) == runtime.curve_names
    assert (int(found["seed"]), int(found["sound_rate_hz"])) == (3, rate)


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "usda"])  # text: seconds
def test_every_format_is_written_and_the_same_twice(tmp_path: Path, form: str) -> None:
    if form.startswith("usd"):
        pytest.importorskip("pxr")
    sounds(tmp_path / "in", ["a.wav"], 0.1)
    names = [f"a{FORMATS[form].ending}"]
    for out in ("out1", "out2"):
        assert batch(tmp_path / "in", tmp_path / out, formats=(form,)).failures == {}
        assert list(files(tmp_path / out)) == names
    if form != "usdc":  # where its writer puts things is its own affair
        assert (tmp_path / "out1" / names[0]).read_bytes() == (
            tmp_path / "out2" / names[0]
        ).read_bytes()


def test_head_rotations_stand_in_the_csv(tmp_path: Path) -> None:
    sounds(tmp_path / "in", ["a.wav"], 2.0)
    batch(tmp_path / "in", tmp_path / "out", settings=Settings(head=True))
    with (tmp_path / "out" / "a.csv").open(newline="") as file:
        assert any(float(row["HeadYaw"]) for row in csv.DictReader(file))


def test_it_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    names = [f"s{i % 3}/{i:02d}.wav" for i in range(12)]
    sounds(tmp_path / "in", names, 0.1)
    out = tmp_path / "out"
    first = batch(tmp_path / "in", out, limit=5)
    before = files(out)
    assert len(before) == 5
    second = batch(tmp_path / "in", out, limit=4)
    third = batch(tmp_path / "in", out)
    assert (second.finished, third.finished) == (5, 9)
    assert sorted(first.done + second.done + third.done) == sorted(n[:-4] for n in names)
    assert len(files(out)) == 12
    assert {name: files(out)[name] for name in before} == before
    last = batch(tmp_path / "in", out)
    assert (last.done, last.finished) == ([], 12)


@pytest.mark.parametrize("cut", ["after the journal", "in the journal", "before the journal"])
def test_a_cut_between_journal_and_place(tmp_path: Path, cut: str) -> None:
    """Killed where a file is written, but has not its name yet."""
    sounds(tmp_path / "in", ["a.wav", "b.wav"], 0.1)
    out = tmp_path / "out"
    batch(tmp_path / "in", out, limit=1)
    journal = out / JOURNAL
    entry = json.loads(journal.read_text())
    (part, _) = entry["files"][".csv"]
    written = (out / "a.csv").stat().st_ino
    os.rename(out / "a.csv", out / part)
    if cut == "in the journal":
        journal.write_bytes(journal.read_bytes()[:40])
    elif cut == "before the journal":
        journal.unlink()
    again = batch(tmp_path / "in", out)
    assert again.done == (["b"] if cut == "after the journal" else ["a", "b"])
    assert sorted(files(out)) == ["a.csv", "b.csv"]
    if cut == "after the journal":
        assert (out / "a.csv").stat().st_ino == written
    assert list((out / stores.OWN / "parts").iterdir()) == []
    assert batch(tmp_path / "in", out).finished == 2


def test_a_sound_that_changed_and_a_result_that_is_gone(tmp_path: Path) -> None:
    sounds(tmp_path / "in", ["a.wav", "b.wav", "c.wav"], 0.1)
    out = tmp_path / "out"
    batch(tmp_path / "in", out)
    sounds(tmp_path / "in", ["b.wav"], 0.2)
    (out / "c.csv").unlink()
    assert batch(tmp_path / "in", out).done == ["b", "c"]


def test_another_format_later_leaves_the_first(tmp_path: Path) -> None:
    sounds(tmp_path / "in", ["a.wav"], 0.1)
    out = tmp_path / "out"
    batch(tmp_path / "in", out)
    before = files(out)
    assert batch(tmp_path / "in", out, formats=("csv", "npz")).done == ["a"]
    assert files(out)["a.csv"] == before["a.csv"]
    assert batch(tmp_path / "in", out, formats=("csv", "npz")).finished == 1


def test_other_options_need_leave_to_replace(tmp_path: Path) -> None:
    sounds(tmp_path / "in", ["a.wav", "b.wav"], 0.1)
    out = tmp_path / "out"
    batch(tmp_path / "in", out)
    with pytest.raises(
        StreamError, match=r"2 files there \(a.csv\) came of another model or other"
    ):
        batch(tmp_path / "in", out, seed=1)
    assert batch(tmp_path / "in", out, seed=1, replace=True, limit=1).done == ["a"]
    assert batch(tmp_path / "in", out, seed=1, replace=True).done == ["b"]


def test_a_strangers_file_is_not_overwritten(tmp_path: Path) -> None:
    sounds(tmp_path / "in", ["a.wav"], 0.1)
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.csv").write_text("mine")
    ran = batch(tmp_path / "in", out)
    assert ran.failures == {
        "a": "a.csv is there, and not as dt-batch wrote it; --replace overwrites it"
    }
    assert (out / "a.csv").read_text() == "mine"
    assert batch(tmp_path / "in", out, replace=True).done == ["a"]


def test_failures_have_reasons_and_do_not_end_the_others(tmp_path: Path) -> None:
    sounds(tmp_path / "in", ["b.wav", "d.wav"], 0.1)
    sounds(tmp_path / "in", ["slow.wav"], 0.1, 4000)
    (tmp_path / "in" / "a.wav").write_bytes(b"no sound at all")
    (tmp_path / "in" / "c.wav").write_bytes(b"")
    out = tmp_path / "out"
    ran = batch(tmp_path / "in", out)
    assert set(ran.failures) == {"a", "c", "slow"}
    assert "sample_rate: expected a whole number from 8000" in ran.failures["slow"]
    with (out / REPORT).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["out"], row["reason"]) for row in rows] == list(ran.failures.items())
    assert [Path(row["audio"]).name for row in rows] == ["a.wav", "c.wav", "slow.wav"]
    for name in ("a", "c"):
        (tmp_path / "in" / f"{name}.wav").unlink()
    sounds(tmp_path / "in", ["a.wav", "c.wav", "slow.wav"], 0.1)
    assert batch(tmp_path / "in", out).failures == {}
    assert not (out / REPORT).exists()


def test_a_full_disk_ends_it_and_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sounds(tmp_path / "in", ["a.wav", "b.wav", "c.wav"], 0.1)
    out = tmp_path / "out"
    batch(tmp_path / "in", out, limit=1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StreamError, match=r"cannot write to .*: No space left on device"):
        batch(tmp_path / "in", out)
    monkeypatch.undo()
    assert batch(tmp_path / "in", out).done == ["b", "c"]
    assert sorted(files(out)) == ["a.csv", "b.csv", "c.csv"]


def test_two_at_once_in_one_folder(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    store = open_store(str(tmp_path))
    with store.alone(), pytest.raises(StreamError, match="another dt-batch is at work there"):
        open_store(str(tmp_path)).alone().__enter__()
    with open_store(str(tmp_path)).alone():
        pass


def test_what_cannot_be_is_said_before_the_work(tmp_path: Path) -> None:
    sounds(tmp_path / "in", ["a.wav"], 0.1)
    for settings, words in (
        (Settings(gain=(("jawOpn", 1.0),)), "did you mean jawOpen"),
        (Settings(bundle=str(tmp_path)), "manifest"),
    ):
        with pytest.raises(StreamError, match=words):
            batch(tmp_path / "in", tmp_path / "out", settings=settings)
    (tmp_path / "m.csv").write_text("audio,identity\nin/a.wav,nobody\n")
    with pytest.raises(StreamError, match="identity: expected 'auto' or one of"):
        batch(tmp_path / "m.csv", tmp_path / "out")
    with pytest.raises(StreamError, match=r"no_such\.glb"):
        batch(tmp_path / "in", tmp_path / "out", formats=("glb",),
              settings=Settings(head_file="no_such.glb"))  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_urls(tmp_path: Path) -> None:
    """Sounds and results behind fsspec, cut and gone on with."""
    pytest.importorskip("fsspec")
    sounds(tmp_path / "in", ["a/b.wav", "c.wav"], 0.1)
    url = f"file://{tmp_path}/out"
    assert batch(f"file://{tmp_path}/in", url, limit=1).done == ["a/b"]
    assert batch(f"file://{tmp_path}/in", url).finished == 1
    batch(tmp_path / "in", tmp_path / "own")
    for name in ("a/b.csv", "c.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "own" / name).read_bytes()
    assert batch(f"file://{tmp_path}/in", url).finished == 2


def test_a_url_of_no_scheme_that_is_known() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(StreamError, match="nosuch://x: Protocol not known: nosuch"):
        open_store("nosuch://x")


def test_a_runtime_and_another_of_it_are_alike() -> None:
    sound = np.random.default_rng(0).normal(size=8000).astype(np.float32) * 0.1
    first = Runtime(seed=1, head=True)
    first.set(gain={"jaw": 1.5}, smooth_ms=20)
    first.step(sound)
    other = first.another(seed=2)
    plain = Runtime(seed=2, head=True)
    plain.set(gain={"jaw": 1.5}, smooth_ms=20)
    for runtime in (first, other, plain):
        runtime.set(offset={"browInnerUp": 0.1 if runtime is not first else 0.0})
    assert (other.step(sound) == plain.step(sound)).all()
    assert (other.flush() == plain.flush()).all()
    assert first.settings.offset != other.settings.offset
    first.reset()
    with pytest.raises(ValueError, match="identity: expected 'auto'"):
        first.another(identity="nobody")
