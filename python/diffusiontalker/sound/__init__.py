"""Sound from files and pipes: one reader for live use and for training.

reader.py      SoundReader: parts in order, mixed to mono, checked, measured
pcm.py         plain samples behind (or without) a header: WAV, RF64, W64, AIFF, CAF, AU, raw
parts.py       where files that were put end to end begin: MP3, Ogg, FLAC
codecs.py      libsndfile
containers.py  FFmpeg through PyAV
"""

from .codecs import length_s, write
from .errors import SoundError
from .reader import RawFormat, SoundReader, read_all, stdin

__all__ = [
    "RawFormat",
    "SoundError",
    "SoundReader",
    "length_s",
    "read_all",
    "stdin",
    "write",
]
