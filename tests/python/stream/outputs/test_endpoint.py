"""Endpoints: what stays on this machine, and what needs a word."""

from __future__ import annotations

import pytest

from diffusiontalker.stream import StreamError
from diffusiontalker.stream.outputs.endpoint import ANYBODY, LOCAL, Access, check_endpoint, is_local


def test_endpoints_that_other_machines_reach_need_a_word() -> None:
    for endpoint in ("tcp://127.0.0.1:5560", "tcp://127.8.8.8:1", "tcp://localhost:5560",
                     "tcp://[::1]:5560", "ipc:///tmp/x", "tcp://127.0.0.1:*"):  # fmt: skip
        check_endpoint(endpoint, LOCAL)
        assert is_local(endpoint)
    for endpoint in ("tcp://*:5560", "tcp://0.0.0.0:5560", "tcp://192.0.2.1:5560",
                     "tcp://eth0:5560", "tcp://[::]:5560"):  # fmt: skip
        with pytest.raises(StreamError, match="--allow-remote"):
            check_endpoint(endpoint, LOCAL)
        check_endpoint(endpoint, ANYBODY)
        check_endpoint(endpoint, Access(remote=True, keys="keys/sender"))
        with pytest.raises(StreamError, match=r"--keys FOLDER.*--insecure"):
            check_endpoint(endpoint, Access(remote=True))
        with pytest.raises(StreamError, match="--allow-remote"):
            check_endpoint(endpoint, Access(keys="keys/sender"))
        assert not is_local(endpoint)
    for endpoint in ("", "tcp://", "tcp://127.0.0.1", "udp://127.0.0.1:1",
                     "127.0.0.1:5560", "tcp://127.0.0.1:", "tcp://127.0.0.1:-1",
                     "tcp://127.0.0.1:70000"):  # fmt: skip
        with pytest.raises(StreamError, match="expected"):
            check_endpoint(endpoint, ANYBODY)
