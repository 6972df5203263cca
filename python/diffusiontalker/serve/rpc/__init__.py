"""gRPC: Audio2Face-3D's protocol, and health."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import ServeError

if TYPE_CHECKING:
    from .calls import Service

#: What may carry calls: ours on nghttp2 where it was built, else grpcio's.
CARRIERS = ("auto", "nghttp2", "grpcio")


def has_nghttp2() -> bool:
    """Whether the package was built with nghttp2, and it is here."""
    try:
        importlib.import_module("diffusiontalker._http2")
    except ImportError:
        return False
    return True


def make_server(services: Sequence[Service], *, chunk_bytes: int, carrier: str = "auto") -> Any:
    """A gRPC server of these services, without addresses. Raises ServeError.

    Args:
        services: what it answers.
        chunk_bytes: largest message.
        carrier: one of `CARRIERS`.
    """
    if carrier == "nghttp2" and not has_nghttp2():
        raise ServeError(
            "--grpc-by nghttp2: the package was built without it (Debian: install libnghttp2-dev, "
            "then the package), or the library is gone; --grpc-by grpcio does without"
        )
    if carrier == "grpcio" or not has_nghttp2():
        from . import grpcio

        return grpcio.Server(services, chunk_bytes=chunk_bytes)
    from . import http2

    return http2.Server(services, chunk_bytes=chunk_bytes)
