"""A WebSocket client in Rust against a dt-serve, outside CI: `poe serving`.

`websocket_client.rs` needs rustc and nothing else; it must get every frame, bit for bit.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from clients import DEMO, SERVER, check, compare

from diffusiontalker.sound import read_all

RATE_HZ = 16000


def main() -> int:
    if shutil.which("rustc") is None:
        print("rustc is not here: no client in Rust was asked")
        return 0
    samples, rate, _ = read_all(DEMO)
    assert rate == RATE_HZ
    pcm = (samples * 32767).astype(np.int16)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        client, sound, out = folder / "client", folder / "sound.s16le", folder / "out.f32"
        source = Path(__file__).with_name("websocket_client.rs")
        subprocess.run(["rustc", "-O", "-D", "warnings", "-o", client, source], check=True)
        sound.write_bytes(pcm.tobytes())
        server = subprocess.Popen(
            [sys.executable, "-m", SERVER, "--grpc-port", "none", "--http-port", "0"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split("//")[-1].split("/")[0].strip()
            done = subprocess.run(
                [client, address, sound, str(RATE_HZ), out],
                capture_output=True,
                text=True,
                timeout=300,
            )
        finally:
            server.terminate()
            server.wait(60)
        if done.returncode:
            raise SystemExit(f"{source.name}: {done.stderr.strip()[-300:]}")
        said = json.loads(done.stdout)
        good = compare("Rust, WebSocket", out, pcm, RATE_HZ)
        good &= check("its schema and bye", said["curves"] == 52 and said["bye"] == said["frames"],
                      said)  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
