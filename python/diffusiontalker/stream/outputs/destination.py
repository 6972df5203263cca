"""What `--to` may name, and how it is written."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from ...files import is_stdout
from ...frames import check_subject
from ...spelling import meant
from .. import StreamError
from .endpoint import DEFAULT_PORT as ZMQ_PORT
from .endpoint import LOCAL, Access, check_endpoint
from .livelink import DEFAULT_PORT as LIVELINK_PORT
from .vmc import DEFAULT_PORT as VMC_PORT
from .vmc import NAME_STYLES

_EXAMPLES = {
    "zmq": f"zmq://HOST[:{ZMQ_PORT}], as in zmq://127.0.0.1",
    "livelink": f"livelink://HOST[:{LIVELINK_PORT}][?subject=NAME], as in livelink://192.168.1.20",
    "vmc": f"vmc://HOST[:{VMC_PORT}][?names={'|'.join(NAME_STYLES)}], as in vmc://127.0.0.1",
    "csv": "csv:PATH, as in csv:face.csv (csv:- is standard output)",
    "json": "json:PATH, as in json:face.jsonl (json:- is standard output)",
}
# What `--out` makes of an ending, and the endings in a folder.
_ENDINGS = {".csv": "csv", ".json": "json", ".jsonl": "json"}
_FOLDER_ENDINGS = {"csv": ".csv", "json": ".jsonl"}


@dataclass(frozen=True)
class Destination:
    """A `--to` that was understood."""

    text: str  #: as the user wrote it
    scheme: str
    address: str  #: ZeroMQ endpoint, host, or path
    port: int = 0
    options: dict[str, str] = field(default_factory=dict)

    @property
    def broadcast(self) -> bool:
        """Whether an address that reaches a whole network is meant."""
        return "broadcast" in self.options

    @property
    def is_file(self) -> bool:
        return self.scheme in ("csv", "json")

    @property
    def is_stdout(self) -> bool:
        """Whether the frames go where human lines would."""
        return self.is_file and is_stdout(self.address)

    @property
    def is_folder(self) -> bool:
        """Whether each file of several gets one there."""
        ends = (os.sep, os.altsep or os.sep)
        return self.is_file and (self.address.endswith(ends) or os.path.isdir(self.address))

    def of(self, source: str) -> Destination:
        """In a folder, the file for what was read from `source`."""
        path = Path(self.address) / (Path(source).stem + _FOLDER_ENDINGS[self.scheme])
        return replace(self, address=str(path))


def parse_out(text: str) -> Destination:
    """Reads what follows `--out`: its ending says the form. Raises StreamError."""
    scheme = _ENDINGS.get(Path(text).suffix.lower())
    made = Destination(f"--out {text}", scheme or "csv", text)
    # A device or a named pipe has no ending, and a folder needs none.
    special = os.path.exists(text) and not os.path.isfile(text)
    if scheme is None and not special and not made.is_folder:
        way = "--to csv:-" if text == "-" else f"--to csv:{text} or --to json:{text}"
        raise StreamError(
            f"--out {text}: expected a name that ends with .csv, .json or .jsonl, or FOLDER/; for "
            f"any other name: {way}"
        )
    return made


def parse(text: str, *, access: Access = LOCAL) -> Destination:
    """Reads what follows `--to`. Raises StreamError that shows how it is written."""
    scheme, colon, rest = text.partition(":")
    example = _EXAMPLES.get(scheme)
    if not colon or example is None:
        raise StreamError(
            f"--to {text}: expected zmq://, livelink://, vmc://, csv: or json: at its beginning, "
            f"as in livelink://192.168.1.20 or csv:face.csv{meant(scheme, _EXAMPLES)}"
        )
    if scheme in ("csv", "json"):
        if not rest or rest.startswith("//"):
            raise StreamError(f"--to {text}: expected {example}")
        return Destination(text, scheme, rest)
    if not rest.startswith("//"):
        raise StreamError(f"--to {text}: expected {example}")
    try:
        parts = urlsplit(text)
        port = parts.port
        pairs = parse_qsl(
            parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), errors="strict"
        )
    except ValueError as error:
        raise StreamError(f"--to {text}: {error}; expected {example}") from None
    if not parts.hostname or parts.path not in ("", "/") or parts.fragment or "@" in parts.netloc:
        raise StreamError(f"--to {text}: expected {example}")
    options = dict(pairs)
    known = {"livelink": ("subject", "broadcast"), "vmc": ("names", "broadcast")}.get(scheme, ())
    for key, _ in pairs:
        if key not in known or len(options) != len(pairs):
            raise StreamError(f"--to {text}: {key!r} is unknown or there twice; expected {example}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if scheme == "zmq":
        endpoint = f"tcp://{host}:{ZMQ_PORT if port is None else port}"
        check_endpoint(endpoint, access, f"--to {text}")
        return Destination(text, scheme, endpoint)
    if port == 0:
        raise StreamError(f"--to {text}: expected a port from 1 to 65535; expected {example}")
    if "subject" in options:
        try:
            check_subject(options["subject"])
        except ValueError as error:
            raise StreamError(f"--to {text}: {error}") from None
    if options.get("broadcast", "1") != "1":
        raise StreamError(f"--to {text}: broadcast: expected 1, got {options['broadcast']!r}")
    if options.get("names", NAME_STYLES[0]) not in NAME_STYLES:
        raise StreamError(
            f"--to {text}: names: expected {', '.join(NAME_STYLES)}, got {options['names']!r}"
            f"{meant(options['names'], NAME_STYLES)}"
        )
    standard = LIVELINK_PORT if scheme == "livelink" else VMC_PORT
    return Destination(text, scheme, parts.hostname, port or standard, options)
