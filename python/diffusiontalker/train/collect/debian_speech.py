"""Speech without faces from Debian's packages: the folders that `configs/ear.toml` names.

A folder is made of one package: its sounds are cut out, decoded and written as mono flac files at
their own rate, 16 bits. `listen.py` reads them at any rate.

Packages are `ar` archives with a `data.tar`; what is inside differs:

- Asterisk's prompts are bare G.722, a file each; Tux Paint's and Warzone's voices Ogg Vorbis, the
  latter in a zip called `base.wz`.
- `queen.1c` has its table at its head: `QTBL`, a version of 6 bytes, 2 bytes, the compression (1:
  MP3), a big-endian 16-bit count; then 21 bytes an entry: its name (12, filled with zeros), the
  number of its file, and offset and size in that file (32 bits each, big-endian). Names of sounds
  end in `.SB`.
- `sky.dsk` has its table in `sky.dnr`: a little-endian 32-bit count, then 8 bytes an entry: a
  16-bit number; 24 bits whose highest says that the offset in the other 23 counts 16 bytes; 24
  bits, 22 of size and 2 flags. Entries 50000 to 59999 are speech, but for what has a flag (pictures
  and palettes of the intro) and six sounds of the intro. An entry is a header of 22 bytes, of no
  use here, and an RNC block (`rnc.py`) of unsigned 8-bit sound at 11025 Hz.
- flite, a program, reads `sentences.py`.
"""

from __future__ import annotations

import io
import lzma
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ...files import replaced
from ...sound import SoundError, length_s, read_all
from ...sound import write as write_sound
from ..config import ConfigError
from ..corpora import BrokenTake, Skipped, video
from . import rnc
from .sentences import sentences

#: Samples (n,) in [-1, 1] and their rate in Hz.
Sound = tuple[NDArray[np.float32], int]

#: Below these a file says nothing.
SHORTEST_S = 0.1
QUIETEST_RMS = 1e-3

SKY_RATE_HZ = 11025
SKY_HEADER_BYTES = 22
SKY_SPEECH = frozenset(range(50000, 60000)) - frozenset(range(59494, 59500))  # these hum and rush


@dataclass(frozen=True)
class Entry:
    """One file to be: its name without suffix, and what reads its sound (raises BrokenTake)."""

    name: str
    read: Callable[[], Sound]


@dataclass(frozen=True)
class Folder:
    """One folder: its name, what it is made from, and the list of its entries."""

    name: str
    package: str  # Debian's name; "" for a folder that a program speaks
    entries: Callable[[Path], list[Entry]]  # of the package's file; raises ConfigError
    program: str = ""


@dataclass
class Made:
    """What became of a folder: its files and their seconds, and the entries that gave none."""

    files: int = 0
    seconds: float = 0.0
    silent: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)  # the broken ones


# ---------------------------------------------------------------------------------------- packages


def find_packages(folders: Iterable[Folder], directory: Path) -> tuple[dict[str, Path], list[str]]:
    """Package -> its .deb in `directory` (the last by name), and the packages that have none."""
    found: dict[str, Path] = {}
    missing: list[str] = []
    for package in dict.fromkeys(folder.package for folder in folders if folder.package):
        files = sorted(directory.glob(f"{package}_*.deb"))
        if files:
            found[package] = files[-1]
        else:
            missing.append(package)
    return found, missing


def can_download() -> bool:
    return shutil.which("apt-get") is not None


def download(package: str, directory: Path) -> None:
    """Fetch a package by apt-get. Raises ConfigError where that fails."""
    _try_to_write(directory, lambda: directory.mkdir(parents=True, exist_ok=True))
    run = subprocess.run(
        ["apt-get", "download", package], cwd=directory, capture_output=True, text=True
    )
    if run.returncode:
        said = (run.stderr or run.stdout).strip().splitlines()
        raise ConfigError(
            f"apt-get download {package}: {said[-1] if said else 'failed'}; get it elsewhere and "
            "give its folder by --packages"
        )


def require(folders: Iterable[Folder]) -> None:
    """That what makes the folders is installed. Raises ConfigError, or BrokenTake for PyAV."""
    folders = list(folders)
    for program in dict.fromkeys(folder.program for folder in folders if folder.program):
        if not shutil.which(program):
            names = ", ".join(folder.name for folder in folders if folder.program == program)
            raise ConfigError(
                f"{names}: there is no program {program} here; install Debian's package of that "
                "name, or name the other folders by --only"
            )
    if any(folder.package for folder in folders):
        video.require("speech from packages")


def members(deb: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Path -> contents of the files in a package whose path is wanted. Raises ConfigError."""
    try:
        name, data = _data_member(deb.read_bytes())
        packing = name.removeprefix("data.tar").removeprefix(".")
        if packing == "zst":
            packing, data = "", _tar_of(deb)
        found: dict[str, bytes] = {}
        with _open_tar(data, packing) as archive:
            for member in archive:
                path = str(PurePosixPath(member.name))
                file = archive.extractfile(member) if member.isfile() and wanted(path) else None
                if file:
                    found[path] = file.read()
    except OSError as error:
        raise ConfigError(f"cannot read {deb} ({error.strerror or error})") from error
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, struct.error) as error:
        raise ConfigError(f"{deb} is no whole Debian package ({error}); get it again") from error
    if not found:
        raise ConfigError(f"{deb} has none of the expected files in it; is it the right package?")
    return found


def _open_tar(data: bytes, packing: str) -> tarfile.TarFile:
    file = io.BytesIO(data)
    if packing == "xz":
        return tarfile.open(fileobj=file, mode="r:xz")
    if packing == "gz":
        return tarfile.open(fileobj=file, mode="r:gz")
    if packing:
        raise tarfile.ReadError(f"its data.tar is packed in an unknown way, {packing}")
    return tarfile.open(fileobj=file, mode="r:")


_AR_MEMBER = struct.Struct("16s32x10s2x")  # name, size in decimal; date, owners and mode between


def _data_member(deb: bytes) -> tuple[str, bytes]:
    """Name and contents of `data.tar.*`. Raises EOFError and struct.error."""
    at = 8
    while deb[:8] == b"!<arch>\n" and at < len(deb):
        name, size = _AR_MEMBER.unpack_from(deb, at)
        at += _AR_MEMBER.size
        if not size.strip().isdigit():
            break
        if name.startswith(b"data.tar"):
            data = deb[at : at + int(size)]
            if len(data) < int(size):
                raise EOFError(f"ends after {len(data)} of {int(size)} bytes of data")
            return name.decode("latin-1").strip().rstrip("/"), data
        at += int(size) + int(size) % 2  # members begin at even places
    raise EOFError("no data.tar in it")


def _tar_of(deb: Path) -> bytes:
    """The tar of a package that is packed with zstd, as Ubuntu's are: Python 3.13 has none."""
    if not shutil.which("dpkg-deb"):
        raise ConfigError(
            f"{deb} is packed with zstd, which needs dpkg-deb; take Debian's own file"
        )
    run = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(deb)], capture_output=True)
    if run.returncode:
        raise EOFError(run.stderr.decode(errors="replace").strip())
    return run.stdout


# ----------------------------------------------------------------------------------------- entries

#: Prompts that are silence, signals or the shrieks of monkeys.
_NO_PROMPT = re.compile(r"silence/.*|beep(err)?|.*-2tone|tt-monkeys|confbridge-(join|leave)")


def asterisk(deb: Path) -> list[Entry]:
    found = members(deb, lambda path: path.endswith(".g722"))
    entries = []
    for path, data in sorted(found.items()):
        # usr/share/asterisk/sounds/LANGUAGE_SEX_NAME/...
        name = "/".join(PurePosixPath(path).parts[5:]).removesuffix(".g722")
        if not _NO_PROMPT.fullmatch(name):
            read = partial(video.decode_sound, data, f"{name}.g722", "g722")
            entries.append(Entry(_flat(name), read))
    return entries


def tux_paint(language: str, deb: Path) -> list[Entry]:
    # usr/share/tuxpaint/stamps/...
    found = members(deb, lambda path: path.endswith(f"_{language}.ogg"))
    return _ogg({"/".join(PurePosixPath(path).parts[4:]): data for path, data in found.items()})


def _ogg(files: dict[str, bytes]) -> list[Entry]:
    """Entries of Ogg files by their paths. Some lines lie in two places: each is taken once."""
    first: dict[bytes, str] = {}
    for path in sorted(files):
        first.setdefault(files[path], path)
    return [
        Entry(_flat(path.removesuffix(".ogg")), partial(video.decode_sound, data, path, "ogg"))
        for data, path in first.items()
    ]


#: Folders of base.wz in which someone speaks: the game's audio.cfg has the words. Elsewhere are
#: music, effects, and sounds of which nothing says what they are.
WARZONE_VOICES = re.compile(
    r"audio/(coltive|countdown|extra|memressp|nexus/(?!laugh)|trnsppil|tutorial|vtoltalk)"
)


def warzone(deb: Path) -> list[Entry]:
    data = _only(members(deb, lambda path: path.endswith("/base.wz")))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [name for name in archive.namelist() if WARZONE_VOICES.match(name)]
            return _ogg({name: archive.read(name) for name in names if name.endswith(".ogg")})
    except zipfile.BadZipFile as error:
        raise ConfigError(f"{deb}: its base.wz is no whole zip ({error})") from error


_QUEEN_HEAD, _QUEEN_ENTRY = struct.Struct(">4s6s2xBH"), struct.Struct(">12sBII")
#: Effects are SSSS after a room's number; a name in letters alone is no line of dialogue either.
_QUEEN_EFFECT = re.compile(r"[0-9]*[A-Z]*SS|[A-Z]+")


def queen(deb: Path) -> list[Entry]:
    data = _only(members(deb, lambda path: path.endswith("/queen.1c")))
    return [
        Entry(name, partial(_queen_sound, data, name, offset, size))
        for name, offset, size in queen_table(data)
        if not _QUEEN_EFFECT.fullmatch(name)
    ]


def queen_table(data: bytes) -> list[tuple[str, int, int]]:
    """Name, offset and size of every sound in `queen.1c`. Raises ConfigError."""
    if data[:4] != b"QTBL" or len(data) < _QUEEN_HEAD.size:
        raise ConfigError(
            f"queen.1c starts with {data[:4]!r}, expected b'QTBL': it has no table of its own"
        )
    _, _, compression, count = _QUEEN_HEAD.unpack_from(data)
    if compression != 1:
        raise ConfigError(f"queen.1c has sounds of kind {compression}, expected 1 (MP3)")
    end = _QUEEN_HEAD.size + count * _QUEEN_ENTRY.size
    if end > len(data):
        raise ConfigError(f"queen.1c ends before the {count} entries of its table")
    sounds = []
    for name, _, offset, size in _QUEEN_ENTRY.iter_unpack(data[_QUEEN_HEAD.size : end]):
        said = name.rstrip(b"\0").decode("latin-1")
        if said.endswith(".SB"):
            sounds.append((said.removesuffix(".SB"), offset, size))
    return sorted(sounds)


def _queen_sound(data: bytes, name: str, offset: int, size: int) -> Sound:
    return video.decode_sound(_cut(data, offset, size, f"{name}.SB"), f"{name}.SB", "mp3")


def sky(deb: Path) -> list[Entry]:
    found = members(deb, lambda path: path.endswith(("/sky.dnr", "/sky.dsk")))
    files = {PurePosixPath(path).name: data for path, data in found.items()}
    if len(files) < 2:
        raise ConfigError(f"{deb} has {next(iter(files))} alone, expected sky.dnr and sky.dsk")
    return [
        Entry(f"{number}", partial(sky_sound, files["sky.dsk"], number, offset, size))
        for number, offset, size in sky_table(files["sky.dnr"])
    ]


def sky_table(table: bytes) -> list[tuple[int, int, int]]:
    """Number, offset and size of every entry of speech by `sky.dnr`. Raises ConfigError."""
    count = int.from_bytes(table[:4], "little")
    if len(table) < 4 + 8 * count:
        raise ConfigError(f"sky.dnr ends before the {count} entries of its table")
    sounds = []
    for at in range(4, 4 + 8 * count, 8):
        number = int.from_bytes(table[at : at + 2], "little")
        place = int.from_bytes(table[at + 2 : at + 5], "little")
        size = int.from_bytes(table[at + 5 : at + 8], "little")
        if number in SKY_SPEECH and not size >> 22:
            sounds.append((number, (place & 0x7FFFFF) << (4 if place >> 23 else 0), size))
    return sorted(sounds)


def sky_sound(disk: bytes, number: int, offset: int, size: int) -> Sound:
    """The sound of an entry of `sky.dsk`. Raises BrokenTake."""
    try:
        unpacked = rnc.unpack(_cut(disk, offset, size, f"entry {number}")[SKY_HEADER_BYTES:])
    except rnc.BrokenPack as error:
        raise BrokenTake(f"entry {number}: {error}") from error
    return (np.frombuffer(unpacked, np.uint8).astype(np.float32) - 128.0) / 128.0, SKY_RATE_HZ


def _cut(data: bytes, offset: int, size: int, name: str) -> bytes:
    if offset + size > len(data):
        raise BrokenTake(f"{name} should end at {offset + size}, its archive ends at {len(data)}")
    return data[offset : offset + size]


def _only(found: dict[str, bytes]) -> bytes:
    return next(iter(found.values()))


def _flat(name: str) -> str:
    return name.replace("/", "-")


# ------------------------------------------------------------------------------------------- flite


def read_aloud(voice: str, _: Path) -> list[Entry]:
    """What flite says in a voice that is built into it; no package is read."""
    return [
        Entry(f"{voice}-{index:04d}", partial(_flite, voice, sentence))
        for index, sentence in enumerate(sentences(voice))
    ]


def _flite(voice: str, sentence: str) -> Sound:
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "said.wav"
        command = ["flite", "-voice", voice, "-t", sentence, "-o", str(wav)]
        run = subprocess.run(command, capture_output=True, text=True)
        try:
            samples, rate_hz, _ = read_all(wav)
        except SoundError as error:
            reason = run.stderr.strip() or error
            raise BrokenTake(f"flite did not say {sentence!r} ({reason})") from error
    return samples, rate_hz


# ----------------------------------------------------------------------------------------- folders


def _flite_folder(voice: str) -> Folder:
    return Folder(f"flite-{voice}", "", partial(read_aloud, voice), program="flite")


FOLDERS: dict[str, Folder] = {
    folder.name: folder
    for folder in (
        Folder("amazon-queen-en", "flight-of-the-amazon-queen", queen),
        Folder("beneath-a-steel-sky-en", "beneath-a-steel-sky", sky),
        *(
            Folder(f"asterisk-core-{tongue}", f"asterisk-core-sounds-{tongue}-g722", asterisk)
            for tongue in ("en", "es", "fr", "it", "ru")
        ),
        *(_flite_folder(voice) for voice in ("awb", "rms", "slt")),
        *(
            Folder(f"tuxpaint-{tongue}", "tuxpaint-stamps-default", partial(tux_paint, tongue))
            for tongue in ("es", "fr")
        ),
        Folder("warzone2100-en", "warzone2100-data", warzone),
    )
}


def finished(folder: Folder, out: Path) -> bool:
    """Whether out/NAME is there. Raises ConfigError for something else of that name."""
    target = out / folder.name
    if not target.exists():
        return False
    if not target.is_dir() or not any(target.glob("*.flac")):
        raise ConfigError(f"{target} is there, but no folder of flac files: move it away")
    return True


def make(
    folder: Folder,
    package: Path | None,
    out: Path,
    on_total: Callable[[int], None] = lambda total: None,
    on_entry: Callable[[], None] = lambda: None,
) -> Made:
    """Write out/NAME, whole or not at all, from a package's file (None: by the folder's program).

    Files come into being in a hidden folder beside, named after the package too, whose files the
    next call does not make again. Broken entries are skipped, silent ones left out. Raises
    ConfigError for a package that cannot be read, or holds no speech, and where writing fails.
    """
    made = Made()
    source = package.stem if package else folder.program
    part = out / f".{folder.name}.{source}.part"
    _try_to_write(part, lambda: part.mkdir(parents=True, exist_ok=True))
    for left in part.glob(".*.part.flac"):  # by a call that was cut: half a file is no speech
        left.unlink()
    entries = folder.entries(package or Path())
    on_total(len(entries))
    for entry in entries:
        file = part / f"{entry.name}.flac"
        if not file.exists():
            try:
                samples, rate_hz = entry.read()
            except BrokenTake as error:
                made.skipped.append(Skipped(Path(entry.name), str(error)))
            else:
                if says_something(samples, rate_hz):
                    _write(file, samples, rate_hz)
                else:
                    made.silent.append(entry.name)
        on_entry()
    made.files, made.seconds = measure(part)
    if not made.files:
        raise ConfigError(f"{source} gave no speech for {folder.name}: get the package again")
    _try_to_write(part, lambda: part.replace(out / folder.name))
    return made


def says_something(samples: NDArray[np.float32], rate_hz: int) -> bool:
    """Whether there is enough sound to call it speech."""
    if len(samples) < SHORTEST_S * rate_hz:
        return False
    return float(np.std(samples)) >= QUIETEST_RMS


def measure(folder: Path) -> tuple[int, float]:
    """The flac files in a folder and their seconds."""
    lengths_s = [length_s(path) for path in folder.glob("*.flac")]
    return len(lengths_s), sum(lengths_s)


def _write(file: Path, samples: NDArray[np.float32], rate_hz: int) -> None:
    clipped = np.clip(samples, -1.0, 1.0)

    def write() -> None:
        with replaced(file) as part:
            write_sound(part, clipped, rate_hz, "FLAC", "PCM_16")

    _try_to_write(file, write)


def _try_to_write(path: Path, write: Callable[[], object]) -> None:
    try:
        write()
    except OSError as error:
        raise ConfigError(
            f"cannot write {path} ({error}): make room, or give another -o"
        ) from error
