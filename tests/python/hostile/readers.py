"""Everything that reads what others have made, with good inputs to start from.

A `Reader` takes bytes and ends: with nothing, or with one of the errors that it documents, whose
message is one line. Anything else is a bug: another exception, a hang, memory without end.
"""

from __future__ import annotations

import io
import json
import pickle
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import random_bundle
import soundfile
import takes_made
from hostile.mutation import mutated, mutated_json

from diffusiontalker import bundle, presets, wire
from diffusiontalker import head as heads
from diffusiontalker.batch import manifest as batch_manifest
from diffusiontalker.frames import Bye, Schema, StampedFrame
from diffusiontalker.preview import PreviewError, messages
from diffusiontalker.runtime import Runtime
from diffusiontalker.sound import SoundError
from diffusiontalker.sound.reader import SoundReader
from diffusiontalker.stream import StreamError
from diffusiontalker.stream.outputs import keys
from diffusiontalker.stream.outputs.recorder import CsvRecorder, JsonRecorder
from diffusiontalker.takes import TakeError, reader, recorded
from diffusiontalker.train.corpora.beat import read_beat
from diffusiontalker.train.corpora.live_link import read_live_link
from diffusiontalker.train.corpora.phone_timed import read_phone_timed
from diffusiontalker.train.corpora.recording import BrokenTake
from diffusiontalker.train.corpora.textgrid import read_textgrid
from diffusiontalker.train.corpora.vocaset import read_deltas, unpickle

CURVES = ("jawOpen", "mouthFunnel", "eyeBlinkLeft")
# What a file announces is believed up to this much sound, seconds.
_LONGEST_S = 60


@dataclass(frozen=True)
class Reader:
    """One of them."""

    name: str
    good: list[bytes]  #: what it reads
    draw: Callable[[Random], bytes]  #: something like that
    read: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]


def made(folder: Path) -> list[Reader]:
    """All of them; files are written into `folder`, which is empty."""
    return [
        *_sounds(folder / "sound"),
        *_motions(folder / "motion"),
        *_takes(folder / "takes"),
        *_recordings(folder / "recordings"),
        *_heads(folder / "heads"),
        *_bundles(folder / "bundles"),
        *_messages(),
        *_small_files(folder / "small"),
    ]


def _file(folder: Path, name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """Reads bytes as the file `name`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name

    def run(bytes_: bytes) -> object:
        path.write_bytes(bytes_)
        return read(path)

    return run


def _of(
    name: str, good: list[bytes], read: Callable[[bytes], object], *errors: type[Exception]
) -> Reader:
    return Reader(name, good, lambda random: mutated(good, random), read, errors)


def _or_json(
    name: str, documents: list[Any], read: Callable[[bytes], object], *errors: type[Exception]
) -> Reader:
    """Changed as a document as often as byte by byte."""
    good = [json.dumps(document).encode() for document in documents]

    def draw(random: Random) -> bytes:
        if random.randrange(2):
            return mutated(good, random)
        return mutated_json(random.choice(documents), random)

    return Reader(name, good, draw, read, errors)


# ---- sound ---------------------------------------------------------------------------------------


def _heard(path: Path) -> None:
    with path.open("rb") as file:
        sound = SoundReader(file)
        try:
            for number, _ in enumerate(sound.blocks(16000)):
                if number >= _LONGEST_S:
                    break
        finally:
            sound.close()


def _sounds(folder: Path) -> list[Reader]:
    tone = (0.5 * np.sin(np.arange(4000) / 9)).astype(np.float32)
    good = []
    for form, coding in (
        ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("WAVEX", "PCM_24"),
        ("RF64", "PCM_16"), ("W64", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "PCM_16"),
        ("CAF", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
    ):  # fmt: skip
        out = io.BytesIO()
        soundfile.write(out, tone, 16000, format=form, subtype=coding)
        good.append(out.getvalue())
    return [_of("sound", good, _file(folder, "a.sound", _heard), SoundError)]


# ---- motions, takes ------------------------------------------------------------------------------


def _written(folder: Path, kind: type[CsvRecorder | JsonRecorder]) -> bytes:
    path = folder / f"written.{kind.__name__}"
    recorder = kind(path)
    schema = takes_made.schema_of(names=CURVES)
    recorder.announce(schema)
    for index, values in enumerate(takes_made.values_of(12, len(CURVES) + 1)[:, :-1]):
        recorder.send(takes_made.frame_of(schema, index, values))
    recorder.close(Bye("anna", 7, 12, "done"))
    return path.read_bytes()


def _motions(folder: Path) -> list[Reader]:
    folder.mkdir(parents=True)
    csv = b'audio,out,identity,seed\nsound.wav,a/b,ann,3\n"x y.flac",,,\n'
    jsonl = b'{"audio": "a.wav", "out": "b", "seed": 4}\n{"audio": "b.wav", "identity": "ann"}\n'

    def lines(path: Path) -> object:
        return batch_manifest.read(str(path))

    return [
        _of("motion-csv", [_written(folder, CsvRecorder)], _file(folder, "a.csv", recorded.read),
            TakeError),
        _of("motion-json", [_written(folder, JsonRecorder)],
            _file(folder, "a.jsonl", recorded.read), TakeError),
        _of("lines-csv", [csv], _file(folder, "lines.csv", lines), StreamError),
        _of("lines-json", [jsonl], _file(folder, "lines.jsonl", lines), StreamError),
    ]  # fmt: skip


def _takes(folder: Path) -> list[Reader]:
    folder.mkdir(parents=True)
    good = takes_made.whole(folder, frames=30)

    def damaged(name: str) -> Reader:
        copy = folder.parent / f"take-{name}"
        shutil.copytree(good, copy)
        bytes_ = (good / name).read_bytes()

        def read(path: Path) -> None:
            found = reader.read(path.parent)
            assert found.motion.curves.shape == (len(found.index), 52)
            found.sound(0, 16000)
            found.gaps  # noqa: B018

        run = _file(copy, name, read)
        if name.endswith(".json"):
            return _or_json(f"take-{name}", [json.loads(bytes_)], run, TakeError, SoundError)
        return _of(f"take-{name}", [bytes_], run, TakeError, SoundError)

    return [damaged(path.name) for path in sorted(good.iterdir()) if path.stat().st_size]


# ---- recordings for training ---------------------------------------------------------------------

_LONG_GRID = b"""File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = "AA1"
        intervals [2]:
            xmin = 0.5
            xmax = 1
            text = "sil"
"""
_SHORT_GRID = b"""File type = "ooTextFile"
Object class = "TextGrid"

0
1
<exists>
1
"IntervalTier"
"phones"
0
1
2
0
0.5
"AA1"
0.5
1
"sil"
"""


def _recordings(folder: Path) -> list[Reader]:
    folder.mkdir(parents=True)
    for name in ("grid", "beat", "phones", "live"):
        soundfile.write(folder / f"{name}.wav", np.zeros(16000, np.float32), 16000)
    frames = [{"weights": [0.1, 0.2, 0.3], "time": i / 30} for i in range(30)]
    beat = {"names": list(CURVES), "frames": frames}
    exported = {"facsNames": list(CURVES), "weightMat": [[0.1, 0.2, 0.3]] * 30, "exportFps": 30.0}
    phones = {"phones": [{"phone": "AA", "start": 0.0, "end": 0.5}], "speaker": "ann"}
    rows = ["Timecode,BlendshapeCount," + ",".join(CURVES)]
    rows += [f"10:11:12:{i:02d}.000,3,0.1,{i / 30:.3f},0" for i in range(30)]
    deltas = io.BytesIO()
    np.savez(deltas, names=np.array(CURVES), deltas=np.zeros((3, 5, 3), np.float32))
    arrays = pickle.dumps({"a": np.zeros((4, 3), np.float32), "b": [1, "x"]}, protocol=2)
    return [
        _of("textgrid", [_LONG_GRID, _SHORT_GRID], _file(folder, "grid.TextGrid", read_textgrid),
            BrokenTake),
        _or_json("beat-json", [beat, exported], _file(folder, "beat.json", read_beat), BrokenTake),
        _or_json("phones-json", [phones], _file(folder, "phones.json", read_phone_timed),
                 BrokenTake),
        _of("live-link-csv", ["\n".join(rows).encode()], _file(folder, "live.csv", read_live_link),
            BrokenTake),
        _of("deltas-npz", [deltas.getvalue()], _file(folder, "deltas.npz", read_deltas),
            ValueError),
        _of("pickled-arrays", [arrays], _file(folder, "a.pkl", unpickle), ValueError),
    ]  # fmt: skip


# ---- heads, bundles ------------------------------------------------------------------------------


def _heads(folder: Path) -> list[Reader]:
    folder.mkdir(parents=True)
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], np.float32)
    writer = heads.gltf.Writer(
        {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}],
         "nodes": [{"mesh": 0, "translation": [0, 1, 0], "children": [1]}, {"scale": [1, 1, 1]}]}
    )  # fmt: skip
    moved = [{"POSITION": writer.accessor(points * 0.1, "VEC3", bounds=True)} for _ in CURVES]
    primitive = {
        "attributes": {"POSITION": writer.accessor(points, "VEC3", bounds=True)},
        "indices": writer.accessor(np.array([[0], [1], [2]], np.uint16), "SCALAR"),
        "targets": moved,
        "material": 0,
    }
    writer.json["materials"] = [{"pbrMetallicRoughness": {"baseColorFactor": [1, 0.5, 0.5, 1]}}]
    writer.json["meshes"] = [{"primitives": [primitive], "extras": {"targetNames": list(CURVES)}}]
    whole = writer.glb()
    length = int.from_bytes(whole[12:16], "little")
    document, rest = json.loads(whole[20 : 20 + length]), whole[20 + length :]

    def glb(random: Random) -> bytes:
        if random.randrange(3) == 0:
            return mutated([whole], random)
        text = mutated_json(document, random)
        text += b" " * (-len(text) % 4)
        size = (12 + 8 + len(text) + len(rest)).to_bytes(4, "little")
        head = b"glTF" + (2).to_bytes(4, "little") + size
        return head + len(text).to_bytes(4, "little") + b"JSON" + text + rest

    document = {**document, "buffers": [{**document["buffers"][0], "uri": "a.bin"}]}
    (folder / "a.bin").write_bytes(rest[8:])
    return [
        Reader("head-glb", [whole], glb, _file(folder, "a.glb", heads.load), (heads.HeadError,)),
        _or_json("head-gltf", [document], _file(folder, "a.gltf", heads.load), heads.HeadError),
    ]


def _bundles(folder: Path) -> list[Reader]:
    good = random_bundle.write(folder / "good").path
    readers = []
    for name in (bundle.MANIFEST, bundle.WEIGHTS):
        copy = folder / name.partition(".")[0]
        shutil.copytree(good, copy)
        bytes_ = (good / name).read_bytes()

        def read(path: Path) -> None:
            runtime = Runtime(path.parent)
            runtime.step(np.zeros(1600, np.float32))

        run = _file(copy, name, read)
        if name == bundle.MANIFEST:
            readers.append(_or_json("bundle-manifest", [json.loads(bytes_)], run, ValueError))
            continue
        # The header: what follows it is numbers, any of which are good ones.
        start = bytes_[: 8 + int.from_bytes(bytes_[:8], "little")]

        def draw(random: Random, start: bytes = start, whole: bytes = bytes_) -> bytes:
            return mutated([start], random) + whole[len(start) :]

        readers.append(Reader("bundle-weights", [bytes_], draw, run, (ValueError,)))
    return readers


# ---- messages ------------------------------------------------------------------------------------


def _messages() -> list[Reader]:
    said = [
        messages.write_control(control)
        for control in (
            messages.Turn(gain={"jawOpen": 1.5}, smooth_ms=20.0), messages.Cast("ann", 3, 0.5),
            messages.Second(on=True, gain={}), messages.Restart("x"), messages.KeepPreset("calm"),
        )
    ]  # fmt: skip
    schema = Schema("face", 7, CURVES, 60, 1, "m", "v", 39.0, 16000, 1, 2)
    frame = StampedFrame("face", 7, 1, 2, 60, 1, 533, 16000, 9, 0, (0.1, 0.2, 0.3))
    topics, payloads = zip(
        *(wire.encode(m) for m in (schema, frame, Bye("face", 7, 3, "the end"))), strict=True
    )

    def decoded(bytes_: bytes) -> None:
        topic, _, payload = bytes_.partition(b"\n")
        wire.decode([topic, payload])

    wires = [topic + b"\n" + payload for topic, payload in zip(topics, payloads, strict=True)]
    return [
        _of("page-control", said, messages.read_control, PreviewError),
        _of("wire", wires, decoded, wire.WireError),
    ]


def _small_files(folder: Path) -> list[Reader]:
    preset = b'identity = "ann"\nseed = 3\nidle = 0.8\nsmooth_ms = 10.0\n[gain]\nmouth = 1.2\n'
    keys.make(folder / "keys")
    certificate = (folder / "keys" / "receiver" / "sender.key").read_bytes()
    return [
        _of("preset-toml", [preset], _file(folder, "a.toml", presets.load), presets.PresetError),
        _of("key", [certificate],
            _file(folder / "keys" / "receiver", "sender.key",
                  lambda path: keys.read_receiver(path.parent)), StreamError),
    ]  # fmt: skip


# ---- how it must end -----------------------------------------------------------------------------


def check(reader: Reader, bytes_: bytes, patience_s: float) -> bool:
    """Whether the bytes were read; False for a refusal. Raises AssertionError for anything else."""
    begun = time.monotonic()
    refusal: Exception | None = None
    try:
        reader.read(bytes_)
    except reader.errors as error:
        refusal = error
    took_s = time.monotonic() - begun
    said = str(refusal)
    assert said.strip(), f"{reader.name}: an error without a word"
    assert "\n" not in said, f"{reader.name}: an error of several lines: {said}"
    assert took_s < patience_s, f"{reader.name}: {took_s:.1f} s for {len(bytes_)} bytes"
    return refusal is None


def _no_letters() -> bytes:
    """Deltas whose last name holds a number beyond Unicode."""
    names = np.array(["jawOpen", "mouthFunnel", "x"])
    names.view(np.uint32)[-names.itemsize // 4 + 6] = 0x7F000078
    file = io.BytesIO()
    np.savez(file, names=names, deltas=np.zeros((3, 4, 3)))
    return file.getvalue()


#: What the long runs found, by what was wrong: (kind of reader, input).
FOUND: dict[str, tuple[str, bytes]] = {
    "a line of JSON that is no object": ("motion-json", b"[]\n{}\n"),
    "a header that is no CSV": ("lines-csv", b'audio,"a"b\n"x"\n'),
    "a column of several lines": ("lines-csv", b'"a\nudio",out\nx,y\n'),
    "a coding of several lines": (
        "pickled-arrays",
        b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00l\r\n1tR.",
    ),
    "a label of several lines": ("textgrid", _LONG_GRID.replace(b'"AA1"', b'"A\n  b = 1"')),
    "JSON of many levels": ("motion-json", b"[" * 100_000 + b"\n{}\n"),
    "a first column of several lines": (
        "live-link-csv", b'"T\nimecode",BlendshapeCount,jawOpen\n10:11:12:00.000,3,0.1\n',
    ),
    "a name that is no text": ("deltas-npz", _no_letters()),
    "an array of another shape than its bytes": (
        "pickled-arrays",
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"
        b"K\x07\x85cnumpy\ndtype\nU\x02i2K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff"
        b"\xff\xffK\x00tb\x89U\x06abcdeftb.",
    ),
    "an instant beyond all clocks": (
        "motion-csv", b"Timecode,JawOpen\n" + b"9" * 40 + b":00:00:00.000,0.5\n" * 2,
    ),
}  # fmt: skip
