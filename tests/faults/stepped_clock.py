"""As sitecustomize: the wall clock is off by the seconds that a file holds, now."""

import os
import time

_time, _time_ns = time.time, time.time_ns
_FILE = os.environ.get("DT_CLOCK_STEP_S", "")


def _step_s() -> int:
    try:
        with open(_FILE) as file:
            return int(file.read() or 0)
    except (OSError, ValueError):
        return 0


time.time = lambda: _time() + _step_s()
time.time_ns = lambda: _time_ns() + _step_s() * 1_000_000_000
