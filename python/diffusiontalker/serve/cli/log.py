"""The log: a line an event, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time

FORMATS = ("text", "json")
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Lines(logging.Formatter):
    """What an event's `extra` holds goes along as fields."""

    def __init__(self, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        fields = {k: v for k, v in vars(record).items() if k not in _USUAL}
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        when += f".{int(record.msecs):03}Z"
        said = record.getMessage()
        if record.exc_info:
            said += f": {record.exc_info[1]!r}"
        if self._as_json:
            head = {"time": when, "level": record.levelname.lower(), "event": said}
            return json.dumps({**head, **fields}, default=str)
        tail = "".join(f" {name}={value!r}" for name, value in fields.items())
        return f"{when} {record.levelname.lower()} {said}{tail}"


def begin_log(form: str) -> None:
    """The package's events go to stderr from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(form == "json"))
    logger = logging.getLogger("diffusiontalker")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logging.getLogger("grpc").addHandler(logging.NullHandler())
