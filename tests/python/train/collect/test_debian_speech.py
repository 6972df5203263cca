"""Speech cut out of Debian's packages: miniature archives, made here in the packages' forms."""

from __future__ import annotations

import contextlib
import io
import lzma
import os
import random
import shutil
import struct
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

pytest.importorskip("torch")
pytest.importorskip("av")

import av
from paths import CONFIGS

from diffusiontalker.train import config
from diffusiontalker.train.cli.commands import main
from diffusiontalker.train.collect import debian_speech, rnc
from diffusiontalker.train.collect.debian_speech import FOLDERS
from diffusiontalker.train.collect.folder_names import FOLDER_NAMES
from diffusiontalker.train.collect.sentences import sentences
from diffusiontalker.train.corpora import BrokenTake
from diffusiontalker.train.stages import listen

DEFAULT = CONFIGS / "ear.toml"
posix = pytest.mark.skipif(sys.platform == "win32", reason="stand-ins are shell scripts")

# --------------------------------------------------------------------------------- packing RNC

#: What a chunk is made of: literals, then a match (bytes back, length) but for the last pair.
Pairs = list[tuple[bytes, "tuple[int, int] | None"]]


class Packed:
    """Bits in words that are placed when their first bit is, and literals between them."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.word, self.used = 0, 16

    def bits(self, value: int, count: int) -> None:
        for shift in range(count):
            if self.used == 16:
                self.word, self.used = len(self.out), 0
                self.out += bytes(2)
            bit = value >> shift & 1
            self.out[self.word + self.used // 8] |= bit << self.used % 8
            self.used += 1

    def table(self, values: list[int]) -> Callable[[int], None]:
        """Write a table of codes of 1, 2, 3... bits for the values; what writes a value by it."""
        symbols = sorted({value.bit_length() for value in values})
        lengths = [0] * (symbols[-1] + 1 if symbols else 0)
        for order, symbol in enumerate(symbols):
            lengths[symbol] = min(order, max(len(symbols) - 2, 0)) + 1
        self.bits(len(lengths), 5)
        codes, code, last = {}, 0, 0
        for length, symbol in sorted((length, i) for i, length in enumerate(lengths) if length):
            code <<= length - last
            codes[symbol], last = (code, length), length
            code += 1
        for length in lengths:
            self.bits(length, 4)

        def write(value: int) -> None:
            code, length = codes[value.bit_length()]
            for shift in reversed(range(length)):
                self.bits(code >> shift & 1, 1)
            more = max(value.bit_length() - 1, 0)
            self.bits(value & ((1 << more) - 1), more)

        return write


def pack(*chunks: Pairs) -> bytes:
    plain, packed = bytearray(), Packed()
    packed.bits(0, 2)
    for pairs in chunks:
        matches = [match for _, match in pairs if match]
        literals = packed.table([len(text) for text, _ in pairs])
        distances = packed.table([back - 1 for back, _ in matches])
        lengths = packed.table([length - 2 for _, length in matches])
        packed.bits(len(pairs), 16)
        for text, match in pairs:
            literals(len(text))
            packed.out += text
            plain += text
            if match:
                back, length = match
                distances(back - 1)
                lengths(length - 2)
                for _ in range(length):
                    plain.append(plain[-back])
    return block(bytes(plain), bytes(packed.out), len(chunks))


def block(plain: bytes, body: bytes, chunks: int) -> bytes:
    sums = rnc.crc16(plain), rnc.crc16(body)
    return struct.pack(">4sIIHHBB", rnc.MAGIC, len(plain), len(body), *sums, 0, chunks) + body


def unpacked(*chunks: Pairs) -> bytes:
    plain = bytearray()
    for text, match in (pair for pairs in chunks for pair in pairs):
        plain += text
        for _ in range(match[1] if match else 0):
            plain.append(plain[-match[0]])  # type: ignore[index]
    return bytes(plain)


def drawn(seed: int, pairs: int = 40) -> Pairs:
    rng = random.Random(seed)
    made: Pairs = []
    size = 0
    for index in range(pairs):
        text = rng.randbytes(rng.choice((0, 1, 2, 3, 9, 40, 300)) if size else 5)
        size += len(text)
        match = None
        if index < pairs - 1:
            match = rng.randint(1, size), rng.choice((2, 3, 4, 17, 90))
            size += match[1]
        made.append((text, match))
    return made


def test_crc_is_that_of_the_standard() -> None:
    assert rnc.crc16(b"123456789") == 0xBB3D


@pytest.mark.parametrize(
    "chunks",
    [
        [[(b"literals alone", None)]],
        [[(b"ab", (2, 9)), (b"", (1, 2)), (b"c", (12, 3)), (b"the end", None)]],
        [[(b"x", (1, 500)), (b"", None)]],  # a match that repeats what it writes
        [[(b"first", None)], [(b"", (5, 4)), (b"second", None)]],  # goes back into another chunk
        [drawn(1), drawn(2), drawn(3)],
    ],
)
def test_unpacks_what_was_packed(chunks: list[Pairs]) -> None:
    assert rnc.unpack(pack(*chunks)) == unpacked(*chunks)


def test_bytes_after_the_block_are_of_no_account() -> None:
    pairs = drawn(4)
    assert rnc.unpack(pack(pairs) + b"next entry") == unpacked(pairs)


def test_half_of_the_last_word_may_be_missing() -> None:
    # The last pair has no literals, so that bits come last; few of them, so that one half is empty.
    chunks = ([(b"ab" * count, (1, 2)), (b"", None)] for count in range(1, 99))
    pairs = next(pairs for pairs in chunks if pack(pairs)[-1] == 0)
    plain, body = unpacked(pairs), pack(pairs)[18:]
    assert rnc.unpack(block(plain, body[:-1], 1)) == plain
    with pytest.raises(rnc.BrokenPack):
        rnc.unpack(block(plain, body[:-3], 1))


def test_every_truncation_is_refused() -> None:
    whole = pack(drawn(5))
    for end in range(len(whole)):
        with pytest.raises(rnc.BrokenPack, match=r"no RNC block|ends after"):
            rnc.unpack(whole[:end])


def test_every_changed_byte_is_refused() -> None:
    whole = pack(drawn(6))
    places = set(range(len(whole))) - {16}  # the leeway says nothing about the data
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 0x55
        with pytest.raises(rnc.BrokenPack):
            rnc.unpack(bytes(changed))


def test_damage_under_a_fitting_checksum_ends_soon() -> None:
    plain, whole = unpacked(drawn(7)), pack(drawn(7))
    rng = random.Random(0)
    started = time.monotonic()
    for _ in range(400):
        body = bytearray(whole[18:])
        for _ in range(3):
            body[rng.randrange(len(body))] = rng.randrange(256)
        with contextlib.suppress(rnc.BrokenPack):
            assert rnc.unpack(block(plain, bytes(body), 1)) == plain
    assert time.monotonic() - started < 20


def test_another_method_is_refused_by_name() -> None:
    with pytest.raises(rnc.BrokenPack, match=r"524e4302, expected 524e4301"):
        rnc.unpack(b"RNC\x02" + pack(drawn(8))[4:])


# ---------------------------------------------------------------------------------- packages


def test_the_names_are_those_of_the_folders() -> None:
    assert tuple(FOLDERS) == FOLDER_NAMES


def tone(seconds: float = 0.5, rate_hz: int = 16000) -> NDArray[np.float32]:
    return (0.3 * np.sin(np.arange(round(seconds * rate_hz)) * 0.1)).astype(np.float32)


def encoded(form: str, samples: NDArray[np.float32], rate_hz: int = 16000) -> bytes:
    file = io.BytesIO()
    if form == "g722":
        with av.open(file, "w", format="g722") as container:
            stream: Any = container.add_stream("g722", rate=rate_hz, layout="mono")
            frame = av.AudioFrame.from_ndarray(
                np.round(samples * 32767).astype(np.int16)[None], format="s16", layout="mono"
            )
            frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    else:
        soundfile.write(file, samples, rate_hz, format=form)
    return file.getvalue()


def deb(path: Path, files: dict[str, bytes]) -> Path:
    """A package as Debian's, as far as it is read."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": b""}
    parts["data.tar.xz"] = lzma.compress(tar.getvalue())
    whole = b"!<arch>\n"
    for name, data in parts.items():
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n"
        whole += head.encode() + data + b"\n" * (len(data) % 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(whole)
    return path


def queen_file(sounds: dict[str, bytes], compression: int = 1) -> bytes:
    at = 15 + 21 * len(sounds)
    table, data = b"", b""
    for name, sound in sounds.items():
        table += struct.pack(">12sBII", name.encode(), 1, at + len(data), len(sound))
        data += sound
    return struct.pack(">4s6s2xBH", b"QTBL", b"CEM10", compression, len(sounds)) + table + data


def sky_files(entries: list[tuple[int, int, bytes]]) -> tuple[bytes, bytes]:
    """Table and data of (number, flags, contents)."""
    table, disk = len(entries).to_bytes(4, "little"), b"\xee" * 16
    for index, (number, flags, data) in enumerate(entries):
        coarse = index % 2  # both ways to write an offset
        place = len(disk) >> 4 | 1 << 23 if coarse else len(disk)
        table += number.to_bytes(2, "little") + place.to_bytes(3, "little")
        table += (len(data) | flags << 22).to_bytes(3, "little")
        disk += data + bytes(-len(data) % 16)
    return table, disk


def sky_entry(samples: bytes) -> bytes:
    return bytes(22) + pack([(samples, None)])


ASTERISK = "usr/share/asterisk/sounds/en_US_f_Allison"
STAMPS = "usr/share/tuxpaint/stamps"


def packages(folder: Path) -> Path:
    """One small package of every kind."""
    g722, silent = encoded("g722", tone()), encoded("g722", tone() * 0)
    for tongue in ("en", "es", "fr", "it", "ru"):
        prompts = {"hello": g722, "digits/1": g722, "at-tone-time": g722, "is": b""}
        others = {"silence/1": silent, "beep": g722, "ascending-2tone": g722, "pause": silent}
        files = {f"{ASTERISK}/{name}.g722": data for name, data in {**prompts, **others}.items()}
        deb(folder / f"asterisk-core-sounds-{tongue}-g722_1.6.1-1_all.deb", files)
    ogg = encoded("ogg", tone(0.6))
    stamps = {
        "animals/frog_desc_es.ogg": ogg,
        "animals/toad_desc_es.ogg": ogg,  # the same words
        "animals/frog_desc_fr.ogg": encoded("ogg", tone(0.7)),
        "animals/frog.ogg": ogg,
        "animals/frog_desc_ru.ogg": ogg,
    }
    files = {f"{STAMPS}/{name}": data for name, data in stamps.items()}
    deb(folder / "tuxpaint-stamps-default_2022_all.deb", files)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as base:
        base.writestr("audio/memressp/power/pcv341.ogg", ogg)
        base.writestr("audio/nexus/laugh1.ogg", ogg)
        base.writestr("audio/sfx/weapons/gun.ogg", ogg)
        base.writestr("music/menu.ogg", ogg)
        base.writestr("audio/tutorial/notes.txt", b"no sound")
    base_wz = {"usr/share/games/warzone2100/base.wz": archive.getvalue()}
    deb(folder / "warzone2100-data_4.3.3-3_all.deb", base_wz)
    mp3 = encoded("mp3", tone(rate_hz=16000))
    sounds = {
        "020001P2.SB": mp3, "C12A_061.SB": mp3, "JOE00011.SB": mp3, "03SSSSJ1.SB": mp3,
        "116BSSSS.SB": mp3, "UNTITLED.SB": mp3, "APE.ACT": b"no sound",
    }  # fmt: skip
    game = "usr/share/scummvm/flight-of-the-amazon-queen/queen.1c"
    deb(folder / "flight-of-the-amazon-queen_1.0.0-9_all.deb", {game: queen_file(sounds)})
    said = bytes((128 + 60 * np.sin(np.arange(4000) * 0.1)).astype(np.uint8))
    entry = sky_entry(said)
    broken = bytearray(entry)
    broken[60] ^= 1
    table, disk = sky_files(
        [
            (49999, 0, entry), (50000, 0, entry), (50001, 0, bytes(broken)), (50002, 1, entry),
            (50003, 2, entry), (50004, 0, entry), (59495, 0, entry), (60000, 0, entry),
        ]
    )  # fmt: skip
    game = "usr/share/scummvm/beneath-a-steel-sky"
    deb(
        folder / "beneath-a-steel-sky_0.0372-8_all.deb",
        {f"{game}/sky.dnr": table, f"{game}/sky.dsk": disk},
    )
    return folder


@pytest.fixture(scope="module")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packages(tmp_path_factory.mktemp("packages"))


def programs(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """A PATH with nothing but these shell scripts and what such scripts need."""
    folder.mkdir()
    for name in ("sh", "cp", "echo"):
        (folder / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    for name, script in scripts.items():
        file = folder / name.replace("_", "-")
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def made(out: Path, name: str) -> list[str]:
    return sorted(path.stem for path in (out / name).iterdir())


def test_the_folders_are_those_of_the_default_configuration() -> None:
    speech = config.load(DEFAULT).listening.speech
    assert sorted(FOLDERS) == sorted(source.name for source in speech)
    assert {Path(source.path).name for source in speech} == set(FOLDERS)


@posix
def test_makes_every_folder_once(
    debs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wav = tmp_path / "voice.wav"
    soundfile.write(wav, tone(), 16000)
    programs(tmp_path / "bin", monkeypatch, flite=f'cp {wav} "$6"')
    monkeypatch.setattr("diffusiontalker.train.collect.sentences.SENTENCES", 3)
    out = tmp_path / "speech"
    command = ["speech", "-o", str(out), "--packages", str(debs)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == sorted(FOLDERS)
    assert made(out, "asterisk-core-en") == ["at-tone-time", "digits-1", "hello"]
    assert made(out, "tuxpaint-es") == ["animals-frog_desc_es"]
    assert made(out, "tuxpaint-fr") == ["animals-frog_desc_fr"]
    assert made(out, "warzone2100-en") == ["audio-memressp-power-pcv341"]
    assert made(out, "amazon-queen-en") == ["020001P2", "03SSSSJ1", "C12A_061", "JOE00011"]
    assert made(out, "beneath-a-steel-sky-en") == ["50000", "50004"]
    assert made(out, "flite-slt") == ["slt-0000", "slt-0001", "slt-0002"]
    for name in FOLDERS:  # the training's own reader takes every file
        for file in listen.speech_files(out / name):
            heard = listen.read_audio(file)
            assert len(heard) > 0.3 * 16000
            assert 0.1 < np.abs(heard).max() <= 1.0
    assert "skipped is of asterisk-core-ru: is.g722 has no sound" in said
    assert "skipped 50001 of beneath-a-steel-sky-en: entry 50001: CRC of the packed bytes" in said
    assert "broken entries skipped: 1, silent ones left out: 1" in said
    total = sum(debian_speech.measure(out / name)[1] for name in FOLDERS)
    assert f"{total / 60:.1f} minutes in" in said.splitlines()[-1]

    stamps = {file: file.stat().st_mtime_ns for file in out.rglob("*.flac")}
    assert main(["speech", "-o", str(out), "--packages", str(tmp_path)]) == 0
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*.flac")} == stamps
    assert capsys.readouterr().out.count("was there: left as it is") == len(FOLDERS)


def test_sky_keeps_the_samples(debs: Path) -> None:
    entry = debian_speech.sky(debs / "beneath-a-steel-sky_0.0372-8_all.deb")[0]
    samples, rate_hz = entry.read()
    assert (entry.name, rate_hz, len(samples)) == ("50000", 11025, 4000)
    expected = (np.floor(128 + 60 * np.sin(np.arange(4000) * 0.1)) - 128) / 128
    np.testing.assert_allclose(samples, expected, atol=1e-6)


def test_a_cut_goes_on_from_its_last_file(
    debs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "speech"
    folder = FOLDERS["asterisk-core-en"]
    package = debs / f"{folder.package}_1.6.1-1_all.deb"
    decode = debian_speech.video.decode_sound
    decoded: list[str] = []

    def interrupted(data: bytes, name: str, form: str) -> debian_speech.Sound:
        if name == "hello.g722" and "hello.g722" not in decoded:
            decoded.append(name)
            raise KeyboardInterrupt
        decoded.append(name)
        return decode(data, name, form)

    monkeypatch.setattr(debian_speech.video, "decode_sound", interrupted)
    command = ["speech", "-o", str(out), "--packages", str(debs), "--only", folder.name]
    assert main(command) == 130
    assert not (out / folder.name).exists()
    decoded[:] = ["hello.g722"]
    assert main(command) == 0
    assert decoded == ["hello.g722", "hello.g722", "is.g722", "pause.g722"]
    assert made(out, folder.name) == ["at-tone-time", "digits-1", "hello"]
    assert [path.name for path in out.iterdir()] == [folder.name]
    assert package.exists()


def test_only_makes_these(debs: Path, tmp_path: Path) -> None:
    names = ["tuxpaint-fr", "warzone2100-en"]
    command = ["speech", "-o", str(tmp_path / "out"), "--packages", str(debs), "--only", *names]
    assert main(command) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names


def test_says_what_is_missing(
    debs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*words: str) -> str:
        assert main(["speech", "-o", str(tmp_path / "out"), *words]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    some = tmp_path / "some"
    some.mkdir()
    shutil.copy(debs / "warzone2100-data_4.3.3-3_all.deb", some)
    two = ["--only", "warzone2100-en", "tuxpaint-es", "tuxpaint-fr"]
    said = refused("--packages", str(some), *two)
    assert f"--packages {some} lacks tuxpaint-stamps-default_*.deb: put them there" in said
    assert "there is no such folder" in refused("--packages", str(tmp_path / "none"), *two)
    assert "--only tuxpaint: there are amazon-queen-en, " in refused("--only", "tuxpaint")
    monkeypatch.setenv("PATH", str(some))
    said = refused(*two)
    assert "there is no apt-get here: get tuxpaint-stamps-default_*.deb, warzone2100" in said
    said = refused("--packages", str(debs))
    assert "flite-awb, flite-rms, flite-slt: there is no program flite here; install" in said
    monkeypatch.setitem(sys.modules, "av", None)
    assert "pip install 'diffusiontalker[capture]'" in refused("--packages", str(debs), *two)
    assert not (tmp_path / "out").exists()


@posix
def test_apt_get_downloads_what_is_missing(
    debs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs(tmp_path / "bin", monkeypatch, apt_get=f'cp {debs}/"$2"_*.deb .')
    out = tmp_path / "out"
    assert main(["speech", "-o", str(out), "--only", "tuxpaint-es"]) == 0
    assert [path.name for path in (out / "packages").iterdir()] == [
        "tuxpaint-stamps-default_2022_all.deb"
    ]
    assert made(out, "tuxpaint-es")
    programs(tmp_path / "bin2", monkeypatch, apt_get="echo E: No such package >&2; exit 100")
    assert main(["speech", "-o", str(out), "--only", "warzone2100-en"]) == 2
    said = capsys.readouterr().err
    assert "apt-get download warzone2100-data: E: No such package; get it elsewhere" in said


def test_broken_packages_are_refused(
    debs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(name: str, file: str, data: bytes) -> str:
        folder = tmp_path / "broken"
        folder.mkdir(exist_ok=True)
        (folder / file).write_bytes(data)
        command = ["speech", "-o", str(tmp_path / "out"), "--packages", str(folder)]
        assert main([*command, "--only", name]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    file = "flight-of-the-amazon-queen_1.0.0-9_all.deb"
    whole = (debs / file).read_bytes()
    for end in (0, 4, 30, 100, len(whole) // 2, len(whole) - 3):
        assert "is no whole Debian package" in refused("amazon-queen-en", file, whole[:end])
    spoilt = bytearray(whole)
    spoilt[len(whole) // 2 :] = bytes(len(whole) - len(whole) // 2)
    assert "is no whole Debian package" in refused("amazon-queen-en", file, bytes(spoilt))
    other = (debs / "tuxpaint-stamps-default_2022_all.deb").read_bytes()
    assert "is it the right package?" in refused("amazon-queen-en", file, other)

    def queen(data: bytes) -> str:
        package = deb(tmp_path / "queen.deb", {"usr/queen.1c": data}).read_bytes()
        return refused("amazon-queen-en", file, package)

    assert "starts with b'RIFF', expected b'QTBL'" in queen(b"RIFF" + bytes(40))
    assert "sounds of kind 2, expected 1 (MP3)" in queen(queen_file({"A1.SB": b"x"}, 2))
    assert "ends before the 2 entries" in queen(queen_file({"A1.SB": b"", "A2.SB": b""})[:-9])
    assert "gave no speech for amazon-queen-en" in queen(queen_file({"A1.SB": b"no MP3"}))


def test_an_entry_that_its_archive_cuts_off_is_broken() -> None:
    table, disk = sky_files([(50000, 0, sky_entry(bytes(100)))])
    ((number, offset, size),) = debian_speech.sky_table(table)
    with pytest.raises(BrokenTake, match=r"entry 50000 should end at"):
        debian_speech.sky_sound(disk[: offset + size - 1], number, offset, size)
    with pytest.raises(config.ConfigError, match=r"ends before the 1 entries"):
        debian_speech.sky_table(table[:-1])


def test_a_folder_of_something_else_is_left_alone(
    debs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tuxpaint-es").mkdir()
    (tmp_path / "tuxpaint-es" / "mine.txt").write_text("keep")
    command = ["speech", "-o", str(tmp_path), "--packages", str(debs), "--only", "tuxpaint-es"]
    assert main(command) == 2
    assert "no folder of flac files: move it away" in capsys.readouterr().err
    assert os.listdir(tmp_path / "tuxpaint-es") == ["mine.txt"]


def test_sentences_stay_and_differ_between_voices() -> None:
    assert sentences("awb") == sentences("awb")
    assert not set(sentences("awb")) & set(sentences("slt"))
    assert all(text[0].isupper() and text[-1] in ".?!" for text in sentences("rms"))
