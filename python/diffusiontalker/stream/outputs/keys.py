"""Keys of the wire, by ZeroMQ's CURVE: whoever has none gets nothing, and nobody reads along.

A folder for each machine:

    sender/    sender.key_secret, and NAME.key of every receiver that may connect
    NAME/      NAME.key_secret, and sender.key, so that the receiver knows whom it talks to

The files are ZeroMQ's own certificates; other programs' ZeroMQ reads them too.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import zmq
from zmq.utils import z85

from .. import StreamError

SENDER = "sender"
#: The receiver that is made where none is named.
RECEIVER = "receiver"
_MAKE = "`dt-stream keygen FOLDER` makes keys"


@dataclass(frozen=True)
class SenderKeys:
    """What a sender needs. Keys are ZeroMQ's 40 letters."""

    public: bytes
    secret: bytes
    receivers: dict[bytes, str]  #: public key -> name, of those who may connect


@dataclass(frozen=True)
class ReceiverKeys:
    """What a receiver needs."""

    public: bytes
    secret: bytes
    sender: bytes  #: the sender's public key


def make(folder: str | Path, receivers: tuple[str, ...] = ()) -> list[Path]:
    """Makes the folders of a sender and its receivers in `folder`; those that it made.

    What is there stays as it is, so that receivers can be added. Raises StreamError.
    """
    from zmq.auth.certs import create_certificates

    for name in receivers:
        if not re.fullmatch(r"[\w-][\w.-]*", name) or name == SENDER:
            raise StreamError(
                f"--receiver {name}: expected letters, digits, -, _ or . and not {SENDER!r}"
            )
    _need_curve()
    home = Path(folder)
    ours = home / SENDER
    made = []
    try:
        for name in (SENDER, *(receivers or (RECEIVER,))):
            place = home / name
            if (place / f"{name}.key_secret").exists():
                continue
            place.mkdir(0o700, parents=True, exist_ok=True)
            place.chmod(0o700)  # before the secret is there
            public, secret = create_certificates(place, name)
            Path(secret).chmod(0o600)
            if name != SENDER:
                # Each gets the other's public half.
                Path(public).replace(ours / f"{name}.key")
                (place / f"{SENDER}.key").write_bytes((ours / f"{SENDER}.key").read_bytes())
            made.append(place)
    except OSError as error:
        raise StreamError(f"{error.filename or home}: {error.strerror}") from None
    return made


def read_sender(folder: str | Path) -> SenderKeys:
    """The keys in a sender's folder. Raises StreamError."""
    place = _folder(folder)
    public, secret = _secret(place / f"{SENDER}.key_secret", "a sender's folder")
    receivers = {}
    for path in sorted(place.glob("*.key")):
        if path.stem != SENDER:
            receivers[_certificate(path)[0]] = path.stem
    if not receivers:
        raise StreamError(
            f"--keys {place}: expected NAME.key of a receiver, or nobody may connect; {_MAKE}"
        )
    return SenderKeys(public, secret, receivers)


def read_receiver(folder: str | Path) -> ReceiverKeys:
    """The keys in a receiver's folder. Raises StreamError."""
    place = _folder(folder)
    found = sorted(place.glob("*.key_secret"))
    if len(found) != 1 or found[0].stem == SENDER:
        raise StreamError(
            f"--keys {place}: expected the folder of one receiver, with its NAME.key_secret and "
            f"{SENDER}.key; {_MAKE}"
        )
    public, secret = _secret(found[0], "a receiver's folder")
    sender = place / f"{SENDER}.key"
    if not sender.is_file():
        raise StreamError(f"--keys {place}: expected {SENDER}.key in a receiver's folder; {_MAKE}")
    return ReceiverKeys(public, secret, _certificate(sender)[0])


def _folder(folder: str | Path) -> Path:
    _need_curve()
    place = Path(folder)
    if not place.is_dir():
        raise StreamError(f"--keys {place}: no such folder; {_MAKE}")
    return place


def _secret(path: Path, where: str) -> tuple[bytes, bytes]:
    if not path.is_file():
        raise StreamError(f"--keys {path.parent}: expected {path.name} in {where}; {_MAKE}")
    if sys.platform != "win32" and path.stat().st_mode & 0o077:
        raise StreamError(f"--keys: {path} can be read by others: chmod 600 {path}")
    public, secret = _certificate(path)
    if secret is None:
        raise StreamError(f"--keys: {path}: holds no secret key; {_MAKE}")
    return public, secret


def _certificate(path: Path) -> tuple[bytes, bytes | None]:
    from zmq.auth.certs import load_certificate

    try:
        if os.path.getsize(path) > 65536:
            raise ValueError("too large")
        public, secret = load_certificate(path)
        for key in (public, secret):
            if key is not None and len(z85.decode(key)) != 32:
                raise ValueError("not a key")
    except OSError as error:
        raise StreamError(f"--keys: {path}: {error.strerror}") from None
    except Exception:
        # Whatever ZeroMQ's reader makes of a file that is none.
        raise StreamError(f"--keys: {path}: expected a ZeroMQ certificate; {_MAKE}") from None
    return public, secret


def _need_curve() -> None:
    if not zmq.has("curve"):
        raise StreamError(
            "this ZeroMQ was built without CURVE; pip install --force-reinstall pyzmq has it"
        )
