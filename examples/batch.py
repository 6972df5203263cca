"""Many files, as fast as they go, with a progress bar: a .npz of curves beside each.

    python examples/batch.py speech.wav second.wav --out curves
    python examples/batch.py *.wav --out curves --workers 2

What is there already is not made again, and a file is written under its name only when it is whole,
so Ctrl-C loses the files at hand and nothing else. In the .npz: `curves` (frames, 52) float32,
`names`, and `rate`, frames a second.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from diffusiontalker import Runtime
from diffusiontalker.sound import SoundError, read_all


def make(source: Path, out: Path, identity: str) -> float:
    """Writes the curves of one file; returns its seconds. The GIL is free while it computes."""
    sound, rate_hz, _ = read_all(source)
    runtime = Runtime(sample_rate=rate_hz, identity=identity)
    curves = np.concatenate([runtime.step(sound), runtime.flush()])
    part = out.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, curves=curves, names=runtime.curve_names, rate=float(runtime.frame_rate))
    part.replace(out)
    return len(sound) / rate_hz


def main() -> int:
    parser = argparse.ArgumentParser(description="Curves of many sound files.")
    parser.add_argument("sounds", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--identity", default="auto")
    parser.add_argument("--workers", type=int, default=1, help="files at once (default: 1)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    wanted = {sound: arguments.out / f"{sound.stem}.npz" for sound in arguments.sounds}
    missing = {sound: out for sound, out in wanted.items() if not out.exists()}

    failed, seconds = 0, 0.0
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=Console(stderr=True)) as progress,
        ThreadPoolExecutor(arguments.workers) as pool,
    ):
        bar = progress.add_task(f"{len(missing)} of {len(wanted)} files", total=len(missing))
        running = {pool.submit(make, s, o, arguments.identity): s for s, o in missing.items()}
        try:
            for done in as_completed(running):
                try:
                    seconds += done.result()
                except (SoundError, ValueError) as error:
                    failed += 1
                    progress.console.print(
                        f"batch: {running[done]}: {error}", markup=False, soft_wrap=True
                    )
                progress.advance(bar)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            return 130
    print(f"{len(missing) - failed} files, {seconds:.1f} s of sound; {failed} failed")
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
