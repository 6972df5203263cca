"""dt-batch on a real Ray: a cluster of one node, of two, of two one of which is killed.

    python tests/cluster/ray_cluster.py [LINES]

Nodes are processes of this machine, a core each; results are compared, byte for byte, with those of
`dt-batch --jobs 1`. Exit code 0: all of them are there, once, and the same. Linux.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster

SECONDS = 6.0
STORE_BYTES = 100 * 2**20


def batch(*arguments: object) -> str:
    """Runs dt-batch to its end; returns what it said."""
    command = [sys.executable, "-m", "diffusiontalker.batch.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"dt-batch: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def results(out: Path) -> dict[str, tuple[int, int, bytes]]:
    found = {}
    for path in out.rglob("*.csv"):
        if ".dt-batch" not in path.parts:
            stat = path.stat()
            found[str(path.relative_to(out))] = (stat.st_ino, stat.st_mtime_ns, path.read_bytes())
    return found


def on_a_cluster(
    nodes: int, sounds: Path, out: Path, break_it: Callable[[Cluster, list[object]], None] | None
) -> str:
    """Converts on so many nodes; `break_it` runs once the first tenth of the lines is there."""
    head = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        more = [cluster.add_node(**head) for _ in range(nodes - 1)]
        cluster.wait_for_nodes()
        breaker = None
        if break_it is not None:

            def when_it_runs() -> None:
                while len(results(out)) < len(list(sounds.glob("*.wav"))) // 10:
                    time.sleep(0.05)
                break_it(cluster, more)

            breaker = threading.Thread(target=when_it_runs, daemon=True)
            breaker.start()
        said = batch(sounds, "--out", out, "--ray", cluster.address)
        if breaker is not None and breaker.is_alive():
            raise SystemExit("it was over before anything was broken: give more LINES")
        return said
    finally:
        cluster.shutdown()


def kill_a_node(cluster: Cluster, nodes: list[object]) -> None:
    print("  killing a node", flush=True)
    cluster.remove_node(nodes[0], allow_graceful=False)


def kill_a_worker(cluster: Cluster, nodes: list[object]) -> None:
    """The process that converts; Ray names it after its task."""
    for _ in range(2000):
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                title = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if title.startswith(b"ray::convert") and _is_ours(int(folder.name)):
                print("  killing a worker", flush=True)
                os.kill(int(folder.name), signal.SIGKILL)
                return
        time.sleep(0.002)
    raise SystemExit("no worker was seen")


def _is_ours(process: int) -> bool:
    """Whether this script started it, through Ray: another cluster may run here."""
    while process > 1:
        if process == os.getpid():
            return True
        status = Path(f"/proc/{process}/stat").read_text()
        process = int(status.rpartition(")")[2].split()[1])
    return False


def main() -> None:
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        sounds = Path(folder) / "in"
        sounds.mkdir()
        rng = np.random.default_rng(0)
        for i in range(lines):
            noise = 0.1 * rng.normal(size=round(16000 * SECONDS))
            soundfile.write(sounds / f"{i:04d}.wav", noise, 16000)
        alone = Path(folder) / "alone"
        print(batch(sounds, "--out", alone, "--jobs", "1"), flush=True)
        wanted = {name: f[2] for name, f in results(alone).items()}
        assert len(wanted) == lines
        runs: list[tuple[str, int, Callable[[Cluster, list[object]], None] | None]] = [
            ("one node", 1, None),
            ("two nodes", 2, None),
            ("two nodes, one killed", 2, kill_a_node),
            ("one node, its worker killed", 1, kill_a_worker),
        ]
        for number, (name, nodes, break_it) in enumerate(runs):
            print(name, flush=True)
            out = Path(folder) / f"ray{number}"
            print(f"  {on_a_cluster(nodes, sounds, out, break_it)}", flush=True)
            assert {name: f[2] for name, f in results(out).items()} == wanted, name
            journal = (out / ".dt-batch" / "journal.jsonl").read_text().splitlines()
            assert len(journal) == lines, "a line was finished twice"
    print("all lines are there, once, and the same")


if __name__ == "__main__":
    main()
