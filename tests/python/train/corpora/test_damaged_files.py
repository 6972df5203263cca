"""Whatever bytes a file holds, a reader gives a Recording that can be trained on or one reason."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import vocaset_corpus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffusiontalker import CURVES
from diffusiontalker.train import corpora
from diffusiontalker.train.mesh import Head, HeadError, read_head

SECONDS = 1.2
RATE_HZ = 16000
FRAMES = 36
PHONES = [("h", 0.0, 0.3), ("ɑ", 0.3, 0.8), ("_", 0.8, 1.1)]


def values() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.round(rng.uniform(0, 1, (FRAMES, 4)), 3)


NAMES = ["jawOpen", "mouthSmile_L", "MouthSmileRight", "eyeBlinkLeft"]


def beat() -> bytes:
    frames = [{"weights": row.tolist(), "time": i / 30} for i, row in enumerate(values())]
    return json.dumps({"names": NAMES, "frames": frames}).encode()


def exported() -> bytes:
    return json.dumps(
        {"exportFps": 30.0, "facsNames": NAMES, "weightMat": values().tolist()}
    ).encode()


def phones() -> bytes:
    timed = [{"phone": p, "start": a, "end": b} for p, a, b in PHONES]
    return json.dumps({"speaker": "anna", "phones": timed}, ensure_ascii=False).encode()


def csv() -> bytes:
    lines = ["Timecode,BlendshapeCount," + ",".join(NAMES)]
    for i, row in enumerate(values()):
        cells = ",".join(f"{value:.3f}" for value in row)
        lines.append(f"10:00:{i // 30:02d}:{i % 30:02d}.000,4,{cells}")
    return "\n".join(lines).encode()


def spreadsheet() -> bytes:
    return csv().decode().replace(".000", "").replace(",", ";").replace(".", ",").encode("utf-16")


def long_textgrid() -> bytes:
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", "xmax = 1.1"]
    lines += ["tiers? <exists>", "size = 1", "item []:", "    item [1]:"]
    lines += ['        class = "IntervalTier"', '        name = "phones"', "        xmin = 0"]
    lines += ["        xmax = 1.1", "        intervals: size = 3"]
    for i, (phone, start, end) in enumerate(PHONES):
        lines += [f"        intervals [{i + 1}]:", f"            xmin = {start}"]
        lines += [f"            xmax = {end}", f'            text = "{phone}"']
    return "\n".join(lines).encode() + b"\n"


def short_textgrid() -> bytes:
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", "1.1", "<exists>"]
    lines += ["1", '"IntervalTier"', '"phones"', "0", "1.1", "3"]
    for phone, start, end in PHONES:
        lines += [str(start), str(end), f'"{phone}"']
    return "\n".join(lines).encode() + b"\n"


FORMS = {
    "beat.json": beat,
    "exported.json": exported,
    "phones.json": phones,
    "phone.csv": csv,
    "spreadsheet.csv": spreadsheet,
    "long.TextGrid": long_textgrid,
    "short.TextGrid": short_textgrid,
}


FOREIGN = (b"9" * 400, b"-", b"e999", b"NaN", b"null", b"[" * 3000, b"\xff\xfe", b"\0")


@st.composite
def spoilt(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with some of them changed, some lost, some twice, some foreign."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        length = draw(st.integers(1, 40))
        match draw(st.sampled_from(("flip", "cut", "lose", "twice", "put"))):
            case "flip":
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[at:]
            case "lose":
                del data[at : at + length]
            case "twice":
                data[at:at] = data[at : at + length]
            case "put":
                data[at:at] = draw(
                    st.sampled_from(
                        (
                            b"9" * 400,
                            b"-",
                            b"e999",
                            b"NaN",
                            b"null",
                            b"[" * 3000,
                            b"\xff\xfe",
                            b"\0",
                        )
                    )
                )
    return bytes(data)


def must_be_sound(take: corpora.Recording) -> None:
    """What training takes for granted."""
    assert take.audio.dtype == np.float32
    assert take.audio.ndim == 1
    assert len(take.audio) > 0
    assert np.isfinite(take.audio).all()
    assert take.id.isprintable()
    assert take.speaker.isprintable()
    take.speaker.encode()
    if take.curves is not None:
        assert take.times_s is not None
        assert take.curves.shape == (len(take.times_s), len(CURVES))
        assert len(take.times_s) >= 2
        assert np.isfinite(take.curves).all()
        assert np.abs(take.curves).max() <= 2.0
        assert (np.diff(take.times_s) > 0).all()
        assert take.times_s[0] >= 0.0
        assert take.times_s[-1] < take.duration_s
        assert 1 <= take.rate_hz <= 1001
    for phone in take.phones:
        assert 0.0 <= phone.start_s <= phone.end_s <= take.duration_s + 0.5


def must_be_told(corpus: corpora.Corpus, files: int = 1) -> None:
    takes = corpus.train + corpus.held_out
    for take in takes:
        must_be_sound(take)
    for left in (*corpus.skipped, *corpus.passed_over):
        assert left.reason.isprintable(), left.reason
        assert left.reason.strip()
    told = len(takes) + len(corpus.skipped)
    assert told == files or (told < files and corpus.passed_over)


QUICK = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("name", FORMS)
def test_a_whole_take_is_read(name: str, tmp_path: Path) -> None:
    write(tmp_path, name, FORMS[name]())
    corpus = corpora.load(tmp_path)
    assert not corpus.skipped, corpus.skipped
    (take,) = corpus.train
    must_be_sound(take)
    if take.curves is not None:
        np.testing.assert_allclose(take.curves[:, CURVES.index("jawOpen")], values()[:, 0])
        np.testing.assert_allclose(take.curves[:, CURVES.index("mouthSmileLeft")], values()[:, 1])
        np.testing.assert_allclose(take.times_s, np.arange(FRAMES) / 30, atol=1e-9)


def write(folder: Path, name: str, data: bytes) -> None:
    path = folder / name
    path.write_bytes(data)
    sound = 0.1 * np.sin(np.arange(round(SECONDS * RATE_HZ)) * 0.05)
    if not path.with_suffix(".wav").exists():
        soundfile.write(path.with_suffix(".wav"), sound.astype(np.float32), RATE_HZ)


@pytest.mark.parametrize("name", FORMS)
@QUICK
@given(data=st.data())
def test_a_spoilt_take_is_a_take_or_one_reason(
    name: str, data: st.DataObject, tmp_path: Path
) -> None:
    write(tmp_path, name, data.draw(spoilt(FORMS[name]())))
    must_be_told(corpora.load(tmp_path))


@pytest.fixture(scope="module")
def vocaset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder, deltas, _ = vocaset_corpus.write_vocaset(tmp_path_factory.mktemp("vocaset"))
    return folder, deltas


@pytest.mark.parametrize(
    "name",
    ["data_verts.npy", "raw_audio_fixed.pkl", "templates.pkl", "subj_seq_to_idx.pkl", "deltas"],
)
@settings(QUICK, max_examples=60)
@given(data=st.data())
def test_a_spoilt_vocaset_is_read_in_part_or_refused(
    name: str, data: st.DataObject, vocaset: tuple[Path, Path]
) -> None:
    folder, deltas = vocaset
    path = deltas if name == "deltas" else folder / name
    whole = path.read_bytes()
    head, tail = whole[:4000], whole[4000:]
    reason = ""
    try:
        path.write_bytes(data.draw(spoilt(head)) + tail)
        corpus = corpora.load(folder, deltas=deltas)
    except ValueError as error:  # the whole source: there is one index for all takes
        reason = str(error)
    finally:
        path.write_bytes(whole)
    if reason:
        assert path.name in reason or folder.name in reason
        return
    for take in corpus.train:
        must_be_sound(take)
    for left in corpus.skipped:
        assert left.reason.isprintable(), left.reason


def glb(component: int = 5126, normalized: bool = False) -> bytes:
    """A head of 4 vertices and two targets, one of them sparse, under a node that scales by 2."""
    kind = {5120: "<i1", 5122: "<i2", 5126: "<f4"}[component]
    whole = {5120: 127, 5122: 32767, 5126: 1.0}[component] if normalized else 1
    dense = np.zeros((4, 4 if component != 5126 else 3), kind)
    dense[1, 0] = whole
    row = np.zeros((1, 3), kind)
    row[0, 1] = whole
    rows = np.array([3], "<u2")
    padding = -(len(row.tobytes()) + dense.nbytes) % 4
    binary = dense.tobytes() + row.tobytes() + b"\0" * padding
    index = len(binary)
    binary += rows.tobytes() + b"\0\0"
    stride = {"byteStride": dense.strides[0]}
    accessor = {"componentType": component, "normalized": normalized, "count": 4, "type": "VEC3"}
    document = {
        "asset": {"version": "2.0"},
        "buffers": [{"byteLength": len(binary)}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": dense.nbytes, **stride},
            {"buffer": 0, "byteOffset": dense.nbytes, "byteLength": row.nbytes},
            {"buffer": 0, "byteOffset": index, "byteLength": 2},
        ],
        "accessors": [
            {**accessor, "bufferView": 0},
            {
                **accessor,
                "sparse": {
                    "count": 1,
                    "indices": {"bufferView": 2, "componentType": 5123},
                    "values": {"bufferView": 1},
                },
            },
        ],
        "meshes": [
            {
                "extras": {"targetNames": ["mouthSmile_L", "jawOpen"]},
                "primitives": [
                    {"attributes": {"POSITION": 0}, "targets": [{"POSITION": 0}, {"POSITION": 1}]}
                ],
            }
        ],
        "nodes": [{"children": [1], "scale": [2, 2, 2]}, {"mesh": 0, "rotation": [0, 0, 1, 0]}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<I4s", len(text), b"JSON") + text
    body += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


@pytest.mark.parametrize(
    ("component", "normalized"),
    [(5126, False), (5120, True), (5122, True), (5120, False), (5122, False)],
)
def test_a_quantised_head_is_read(component: int, normalized: bool, tmp_path: Path) -> None:
    """Dense and sparse, and in the scene's units: turned by half a circle, twice as large."""
    (tmp_path / "head.glb").write_bytes(glb(component, normalized))
    head = read_head(tmp_path / "head.glb")
    expected = np.zeros((52, 4, 3))
    expected[CURVES.index("mouthSmileLeft"), 1, 0] = -2.0
    expected[CURVES.index("jawOpen"), 3, 1] = -2.0
    np.testing.assert_allclose(head.deltas, expected, atol=1e-6)


@settings(QUICK, max_examples=600)
@given(data=st.data())
def test_a_spoilt_head_is_a_head_or_one_reason(data: st.DataObject, tmp_path: Path) -> None:
    kind = data.draw(st.sampled_from(((5126, False), (5120, True), (5122, True))))
    (tmp_path / "head.glb").write_bytes(data.draw(spoilt(glb(*kind))))
    try:
        head = read_head(tmp_path / "head.glb")
    except HeadError as error:
        reason = str(error)
    else:
        assert isinstance(head, Head)
        assert np.isfinite(head.deltas).all()
        return
    assert "head.glb" in reason
