"""The long form of `tests/python/hostile`: every reader in turn, on inputs drawn from a seed.

    python tests/fuzz/fuzz.py --minutes 10                     all
    python tests/fuzz/fuzz.py --minutes 1 --only sound         those whose name begins so
    python tests/fuzz/fuzz.py --only sound --seed 7 --once     one input again

Prints for each how many inputs it took a second and how many of them it refused. An input that a
reader neither reads nor refuses is written to build/fuzz, named with its seed, and ends with exit
code 1 once all have had their time.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))

from hostile import readers  # noqa: E402

PATIENCE_S = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="in all (default: 10)")
    parser.add_argument("--only", default="", metavar="NAME", help="readers whose name begins so")
    parser.add_argument("--seed", type=int, default=None, help="of the first (default: drawn)")
    parser.add_argument("--once", action="store_true", help="that input alone")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    faulthandler.enable()
    seed = int.from_bytes(os.urandom(4), "big") if args.seed is None else args.seed
    failures = 0
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None  # a disk would be slower than we
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        chosen = [r for r in readers.made(Path(folder)) if r.name.startswith(args.only)]
        if not chosen:
            print(f"fuzz: no reader {args.only!r}", file=sys.stderr)
            return 2
        each_s = args.minutes * 60 / len(chosen)
        print(f"seed {seed}, {each_s:.0f} s each", flush=True)
        for reader in chosen:
            failures += _fuzz(reader, seed, each_s, once=args.once)
    return 1 if failures else 0


def _fuzz(reader: readers.Reader, seed: int, seconds: float, *, once: bool) -> int:
    """Draws inputs from `seed` on; returns how many were neither read nor refused."""
    begun = time.monotonic()
    done = refused = 0
    failures: dict[str, str] = {}
    while time.monotonic() - begun < seconds:
        number = seed + done
        bytes_ = reader.draw(Random(number))
        try:
            refused += not readers.check(reader, bytes_, PATIENCE_S)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} at {last.filename}:{last.lineno}"
            if where not in failures:
                kept = ROOT / "build" / "fuzz" / f"{reader.name}-{number}"
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(bytes_)
                failures[where] = f"  --seed {number}: {where}: {str(error)[:200]!r}"
        done += 1
        if once:
            break
    spent_s = time.monotonic() - begun
    print(
        f"{reader.name:28s} {done:8d} inputs {done / spent_s:8.0f} a second, refused {refused}, "
        f"failures {len(failures)}",
        *failures.values(), sep="\n", flush=True,
    )  # fmt: skip
    return len(failures)


if __name__ == "__main__":
    sys.exit(main())
