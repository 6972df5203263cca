"""Sound in every form that the reader knows, made in memory: no file here was recorded."""

from __future__ import annotations

import io
import struct

import numpy as np
import soundfile

RATE_HZ = 16000


def tone(seconds: float = 1.0, rate_hz: int = RATE_HZ, hz: float = 220.0) -> np.ndarray:
    """A tone that swells, so that its parts can be told from each other; int16."""
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.rint(12000 * np.sin(2 * np.pi * hz * at) * (0.2 + 0.8 * at / seconds)).astype("<i2")


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    length = len(body) if size is None else size
    return name + struct.pack("<I", length) + body + b"\0" * (len(body) & 1)


def riff(pcm: np.ndarray, *, size: int | None, data: int | None, magic: bytes = b"RIFF",
         before: bytes = b"") -> bytes:  # fmt: skip
    """A mono WAV whose header states these sizes."""
    fmt = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16))
    body = b"WAVE" + before + fmt + chunk(b"data", pcm.tobytes(), data)
    return magic + struct.pack("<I", len(body) if size is None else size) + body


def w64(pcm: np.ndarray, size: int) -> bytes:
    tail = bytes.fromhex("f3acd3118cd100c04f8edb8a")
    fmt = struct.pack("<HHIIHH", 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    return (
        b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000") + struct.pack("<Q", size)
        + b"wave" + tail + b"fmt " + tail + struct.pack("<Q", 24 + len(fmt)) + fmt
        + b"data" + tail + struct.pack("<Q", size) + pcm.tobytes()
    )  # fmt: skip


def aiff(pcm: np.ndarray, *, form: int, frames: int, ssnd: int, aifc: bytes = b"") -> bytes:
    rate = struct.pack(">HQ", 16383 + 13, RATE_HZ << (63 - 13))
    comm = struct.pack(">HIH", 1, frames, 16) + rate
    if aifc:
        comm += aifc + b"\0\0"
    body = b"COMM" + struct.pack(">I", len(comm)) + comm
    body += b"SSND" + struct.pack(">III", ssnd, 0, 0)
    body += pcm.tobytes() if aifc == b"sowt" else pcm.astype(">i2").tobytes()
    return b"FORM" + struct.pack(">I", form) + (b"AIFC" if aifc else b"AIFF") + body


def caf(pcm: np.ndarray, size: int) -> bytes:
    desc = struct.pack(">d4sIIIII", RATE_HZ, b"lpcm", 2, 2, 1, 1, 16)
    return (
        b"caff\0\1\0\0desc" + struct.pack(">q", 32) + desc
        + b"data" + struct.pack(">q", size) + b"\0\0\0\0" + pcm.tobytes()
    )  # fmt: skip


def au(pcm: np.ndarray, size: int) -> bytes:
    return struct.pack(">4sIIIII", b".snd", 24, size, 3, RATE_HZ, 1) + pcm.astype(">i2").tobytes()


def rf64(pcm: np.ndarray, data: int) -> bytes:
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, data, 0, 0))
    return riff(pcm, size=0xFFFFFFFF, data=0xFFFFFFFF, magic=b"RF64", before=ds64)


def coded(pcm: np.ndarray, form: str, subtype: str | None = None, rate_hz: int = RATE_HZ) -> bytes:
    """By libsndfile: "FLAC", "OGG" with "VORBIS" or "OPUS", "MP3"."""
    file = io.BytesIO()
    # As floats: libsndfile 1.2.2 spoils an MP3 of two channels that it is given as int16.
    samples = pcm / np.float32(32768) if form == "MP3" else pcm
    soundfile.write(file, samples, rate_hz, format=form, subtype=subtype)
    return file.getvalue()


def piped_flac(pcm: np.ndarray) -> bytes:
    """As a writer leaves it who cannot go back: length and checksum of the whole unknown."""
    data = bytearray(coded(pcm, "FLAC"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    data[26:42] = bytes(16)
    return bytes(data)


def by_ffmpeg(pcm: np.ndarray, container: str, codec: str, rate_hz: int = RATE_HZ) -> bytes:
    """By PyAV: ("mp4", "aac"), ("webm", "libopus"), ("adts", "aac")."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate_hz, layout="mono")
        stream.bit_rate = 64000
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.rate = rate_hz
        resampler = av.AudioResampler(
            format=stream.codec_context.format, layout="mono", rate=rate_hz,
            frame_size=stream.codec_context.frame_size or 1024,
        )  # fmt: skip
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return file.getvalue()


def unknown_lengths() -> dict[str, bytes]:
    """Plain samples whose headers state no length, or one that cannot be."""
    pcm = tone()
    size = pcm.nbytes
    return {
        "wav-ffffffff": riff(pcm, size=0xFFFFFFFF, data=0xFFFFFFFF),
        "wav-zeros": riff(pcm, size=0, data=0),
        "wav-header-of-an-empty-file": riff(pcm, size=36, data=0),
        "wav-sox-7ffff000": riff(pcm, size=0x7FFFF024, data=0x7FFFF000),
        "wav-riff-size-alone-wrong": riff(pcm, size=3, data=None),
        "wav-odd-list-before": riff(pcm, size=0, data=0, before=chunk(b"LIST", b"INFOabc")),
        "rf64-open": rf64(pcm, 0),
        "rf64-minus-one": rf64(pcm, 2**64 - 1),
        "rf64-closed": rf64(pcm, size),
        "w64-zero": w64(pcm, 0),
        "w64-closed": w64(pcm, size + 24),
        "w64-minus-one": w64(pcm, 2**64 - 1),
        "aiff-zeros": aiff(pcm, form=0, frames=0, ssnd=0),
        "aiff-ffffffff": aiff(pcm, form=0xFFFFFFFF, frames=0xFFFFFFFF, ssnd=0xFFFFFFFF),
        "aiff-closed": aiff(pcm, form=46 + size, frames=len(pcm), ssnd=size + 8),
        "aifc-sowt-zeros": aiff(pcm, form=0, frames=0, ssnd=0, aifc=b"sowt"),
        "caf-minus-one": caf(pcm, -1),
        "caf-closed": caf(pcm, size + 4),
        "au-ffffffff": au(pcm, 0xFFFFFFFF),
        "au-zero": au(pcm, 0),
        "flac-piped": piped_flac(pcm),
    }
