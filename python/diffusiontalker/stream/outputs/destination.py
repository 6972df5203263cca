"""What `--to` may name, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from ...frames import check_subject
from .. import StreamError
from .endpoint import DEFAULT_PORT as ZMQ_PORT
from .endpoint import check_endpoint
from .livelink import DEFAULT_PORT as LIVELINK_PORT
from .vmc import DEFAULT_PORT as VMC_PORT
from .vmc import NAME_STYLES

_EXAMPLES = {
    "zmq": f"zmq://HOST[:{ZMQ_PORT}], as in zmq://127.0.0.1",
    "livelink": f"livelink://HOST[:{LIVELINK_PORT}][?subject=NAME], as in livelink://192.168.1.20",
    "vmc": f"vmc://HOST[:{VMC_PORT}][?names={'|'.join(NAME_STYLES)}], as in vmc://127.0.0.1",
    "csv": "csv:PATH, as in csv:face.csv",
    "json": "json:PATH, as in json:face.jsonl",
}


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


def parse(text: str, *, allow_remote: bool = False) -> Destination:
    """Reads what follows `--to`. Raises StreamError that shows how it is written."""
    scheme, colon, rest = text.partition(":")
    example = _EXAMPLES.get(scheme)
    if not colon or example is None:
        raise StreamError(
            f"--to {text}: expected zmq://, livelink://, vmc://, csv: or json: at its beginning, "
            "as in livelink://192.168.1.20 or csv:face.csv"
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
        check_endpoint(endpoint, allow_remote, f"--to {text}")
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
        )
    standard = LIVELINK_PORT if scheme == "livelink" else VMC_PORT
    return Destination(text, scheme, parts.hostname, port or standard, options)
