"""Paths and URLs alike: files found, stamped and read. Home of fsspec, which only URLs need."""

from __future__ import annotations

import glob
import os
import posixpath
from typing import Any

from ..stream import StreamError

#: What to do where a URL is given and fsspec is not there.
REMEDY = "pip install 'diffusiontalker[batch]' (fsspec), and what fsspec names for that scheme"


def is_url(path: str) -> bool:
    """Whether it is fsspec's: s3://bucket/lines, memory://a. A path is not."""
    return "://" in path


def filesystem(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path that it knows it by. Raises StreamError."""
    try:
        import fsspec
    except ImportError:
        raise StreamError(f"{url}: a URL needs {REMEDY}") from None
    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(url)
    except (ValueError, ImportError) as error:  # an unknown scheme, or its package is not there
        raise StreamError(f"{url}: {error}") from None
    except Exception as error:  # whatever a cloud's client raises without an account
        raise StreamError(f"{url}: {type(error).__name__}: {error}") from None
    return found


def why(error: OSError) -> str:
    """An error's reason without its number."""
    return str(error.strerror or error or type(error).__name__)


def is_file(path: str) -> bool:
    if not is_url(path):
        return os.path.isfile(path)
    fs, inner = filesystem(path)
    return bool(fs.isfile(inner))


def parent(path: str) -> str:
    """The folder that holds it."""
    return posixpath.dirname(path) if is_url(path) else os.path.dirname(path) or os.curdir


def joined(folder: str, path: str) -> str:
    """`path` as somebody in `folder` means it."""
    if is_url(path) or os.path.isabs(path):
        return path
    return posixpath.join(folder, path) if is_url(folder) else os.path.join(folder, path)


def relative(path: str, folder: str) -> str:
    """`path` as seen from `folder`, by "/"; its name alone where it does not lie below."""
    if is_url(path):
        head = folder.rstrip("/") + "/"
        return path[len(head) :] if path.startswith(head) else posixpath.basename(path)
    below = os.path.relpath(os.path.abspath(path), os.path.abspath(folder))
    if below.startswith(os.pardir):
        return os.path.basename(path)
    return below.replace(os.sep, "/")


def files_below(folder: str, *, leave_out: str = "") -> list[str]:
    """All files in it and in its folders, sorted; hidden ones and those in `leave_out` are not.

    Raises StreamError.
    """
    if is_url(folder):
        fs, inner = filesystem(folder)
        try:
            found = fs.find(inner)
        except OSError as error:
            raise StreamError(f"{folder}: {why(error)}") from None
        if not found:
            raise StreamError(f"{folder}: nothing is there")
        return _with_scheme(fs, folder, found, leave_out)
    if not os.path.isdir(folder):
        raise StreamError(f"{folder}: no such file or folder")
    shut = os.path.realpath(leave_out) if leave_out and not is_url(leave_out) else None
    same = shut == os.path.realpath(folder)  # results beside their sounds
    out = []
    seen: set[str | None] = {None if same else shut, os.path.realpath(folder)}
    for top, folders, names in os.walk(folder, followlinks=True):
        real = {f: os.path.realpath(os.path.join(top, f)) for f in folders if f[0] != "."}
        folders[:] = [f for f in sorted(real) if real[f] not in seen]
        seen.update(real.values())  # links may lead round in a circle
        out += [os.path.join(top, name) for name in names if not name.startswith(".")]
    return sorted(out, key=lambda path: path.split(os.sep))


def matching(pattern: str) -> list[str]:
    """The files that a pattern names, sorted; ** is any depth."""
    if is_url(pattern):
        fs, inner = filesystem(pattern)
        return _with_scheme(fs, pattern, fs.glob(inner), "")
    return sorted(p for p in glob.glob(pattern, recursive=True) if os.path.isfile(p))


def _with_scheme(fs: Any, like: str, paths: list[str], leave_out: str) -> list[str]:
    urls = [fs.unstrip_protocol(path) for path in sorted(paths)]
    scheme = like.partition("://")[0] + "://"
    # fsspec gives one of several spellings of a scheme; the user's is kept.
    urls = [scheme + url.partition("://")[2] for url in urls]
    shut = leave_out.rstrip("/") + "/"
    same = leave_out.rstrip("/") == like.rstrip("/")
    return [u for u in urls if same or not leave_out or not u.startswith(shut)]


def stamp(path: str) -> tuple[int, str]:
    """Size in bytes, and a text that is another once the file was changed. Raises OSError."""
    if not is_url(path):
        found = os.stat(path)
        if not os.path.isfile(path):
            raise IsADirectoryError(21, "Is no file")
        return found.st_size, f"{found.st_size}:{found.st_mtime_ns}"
    fs, inner = filesystem(path)
    info = fs.info(inner)
    marks = (info.get(key) for key in ("ETag", "etag", "md5Hash", "mtime", "LastModified",
                                       "last_modified", "created"))  # fmt: skip
    mark = next((str(mark) for mark in marks if mark), "")
    return int(info.get("size") or 0), f"{info.get('size')}:{mark}"


def read(path: str) -> bytes:
    """All of a file. Raises OSError."""
    if not is_url(path):
        with open(path, "rb") as file:
            return file.read()
    fs, inner = filesystem(path)
    data: bytes = fs.cat_file(inner)
    return data
