"""Other people's clients against a dt-serve, outside CI: `poe serving`.

NVIDIA's package nvidia-audio2face-3d 1.3.0 in an environment of its own (10 s of speech in real
time, 10 minutes at once), and, where node is, @grpc/grpc-js. Each must get every frame, bit for bit
what the runtime makes of the same sound.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import venv
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2

from diffusiontalker import Runtime
from diffusiontalker.serve.rpc import messages
from diffusiontalker.sound import read_all

SERVER = "diffusiontalker.serve.cli"
HERE = Path(__file__).parent
PACKAGE = "nvidia-audio2face-3d==1.3.0"
NODE_PACKAGES = ("@grpc/grpc-js@1.14", "@grpc/proto-loader@0.8")
DEMO = Path(sys.modules["diffusiontalker"].__file__ or "").parent / "data" / "demo.flac"


@contextmanager
def serving() -> Iterator[str]:
    """A dt-serve of its own; its gRPC address."""
    process = subprocess.Popen(
        [sys.executable, "-m", SERVER, "--grpc-port", "0", "--http-port", "none"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().rpartition(" ")[2].strip()
    finally:
        process.terminate()
        process.wait(30)


def write_wav(path: Path, pcm: np.ndarray[Any, Any], rate: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())
    return path


def expected(pcm: np.ndarray[Any, Any], rate: int) -> np.ndarray[Any, Any]:
    runtime = Runtime(sample_rate=rate)
    return np.concatenate([runtime.step(pcm), runtime.flush()])


def check(name: str, good: bool, seen: object) -> bool:
    print(f"{'ok' if good else 'FAILED'}  {name}: {seen}", flush=True)
    return good


def compare(name: str, out: Path, pcm: np.ndarray[Any, Any], rate: int) -> bool:
    frames = np.fromfile(out, np.float32).reshape(-1, 52)
    want = expected(pcm, rate)
    return check(name, np.array_equal(frames, want), f"{len(frames)} of {len(want)} frames")


def run(words: list[str], folder: Path) -> dict[str, Any]:
    """A client's one line of JSON."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise SystemExit(f"{words[1]}: {done.stderr.strip()[-500:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def nvidia(address: str, folder: Path, clips: dict[str, np.ndarray[Any, Any]]) -> bool:
    environment = folder / "nvidia"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", PACKAGE], check=True)
    good = True
    for name, pcm in clips.items():
        wav = write_wav(folder / "clip.wav", pcm, 16000)
        out = folder / "nvidia.f32"
        said = run(
            [str(python), str(HERE / "nvidia_client.py"), address, str(wav), str(out)], folder
        )
        good &= compare(f"{PACKAGE}, {name}", out, pcm, 16000)
        good &= check("the sound came back", said["echoed"], said["code"])
        good &= check(
            "statuses", [code for code, _ in said["statuses"]] == [1, 0], said["statuses"]
        )
        if said["chunks_s"] < 1:
            # Frame 0 needs the look-ahead's sound: so many whole chunks.
            look_s = Runtime().lookahead_ms / 1000
            chunks = -int(-look_s // said["chunks_s"])
            late_ms = 1000 * (said["first_s"] - (chunks - 1) * said["chunks_s"])
            print(f"    first frame {late_ms:.1f} ms after the sound that it needs was sent")
    return good


def node(address: str, folder: Path, pcm: np.ndarray[Any, Any]) -> bool:
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *NODE_PACKAGES],
                   cwd=folder, check=True)  # fmt: skip
    file = messages.file_descriptor()
    service = file.service.add(name="A2FControllerService")
    service.method.add(
        name=messages.A2F_CALL,
        input_type=f".{messages.PACKAGE}.AudioStream",
        output_type=f".{messages.PACKAGE}.AnimationDataStream",
        client_streaming=True,
        server_streaming=True,
    )
    descriptors = folder / "descriptors"
    descriptors.write_bytes(descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString())
    wav = write_wav(folder / "clip.wav", pcm, 16000)
    out = folder / "node.f32"
    said = run(
        ["node", str(HERE / "node_client.mjs"), address, str(wav), str(out), str(descriptors)],
        folder,
    )
    good = compare("@grpc/grpc-js", out, pcm, 16000)
    return good & check("statuses", said["statuses"] == [[0, ""]], said["statuses"])


def main() -> int:
    samples, rate, _ = read_all(DEMO)
    assert rate == 16000
    speech = (samples * 32767).astype(np.int16)
    ten_minutes = np.tile(speech, -(-600 * rate // speech.size))[: 600 * rate]
    clips = {"10 s in real time": speech[: 10 * rate], "10 min at once": ten_minutes}
    with tempfile.TemporaryDirectory() as name, serving() as address:
        good = nvidia(address, Path(name), clips)
        if shutil.which("npm"):
            good &= node(address, Path(name), speech)
        else:
            print("npm is not here: no client in JavaScript was asked")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
