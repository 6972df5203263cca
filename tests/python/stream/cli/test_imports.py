"""What `dt-stream --mic` does without until something needs it."""

from __future__ import annotations

from test_runtime import loaded


def test_a_microphone_loads_no_files_no_osc_and_no_asyncio() -> None:
    found = loaded("import diffusiontalker.stream.cli.stream")
    assert {"zmq", "rich.console", "diffusiontalker.stream.sources.microphone"} <= found
    for name in ("soundfile", "pythonosc", "asyncio", "ssl", "email", "importlib.metadata",
                 "diffusiontalker.sound", "diffusiontalker.stream.cli.doctor"):  # fmt: skip
        assert name not in found
