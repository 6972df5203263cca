"""Takes: a voice and the face it moved, kept on disk as they were, and what becomes of them.

form.py        what a take consists of: file names, records, the manifest's version
writer.py      TakeWriter: grows a take while the stream goes on
reader.py      Take, read: a take of any state, whole or cut
trim.py        a part of a take as a take
recorded.py    CSV and JSON lines of `dt-stream --out` as curves
motion.py      Motion: curves with their times, which all converters take
convert/       to files for engines and animation programs
cli/           dt-take
"""

from .errors import TakeError
from .reader import Take, find, read
from .writer import TakeWriter

__all__ = ["Take", "TakeError", "TakeWriter", "find", "read"]
