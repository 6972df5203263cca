"""`dt-serve` as a command: its refusals, TLS, and how it starts and leaves."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import random_bundle
from paths import ROOT

from diffusiontalker.serve.cli import main
from diffusiontalker.serve.cli.command import options_of, parser
from diffusiontalker.serve.rpc import client, messages
from serving import channel_to, is_success, run, serving, sound, talk


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_bundle.write(tmp_path_factory.mktemp("serve") / "bundle").path


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--host", "0.0.0.0"], "others could reach it; give --token-file"),
        (["--tls-cert", "a.pem"], "--tls-cert and --tls-key go together"),
        (["--tls-cert", "a.pem", "--tls-key", "b.pem"], "--tls-cert a.pem: there is no such file"),
        (["--grpc-port", "none", "--http-port", "none"], "leave nothing to serve"),
        (["--grpc-port", "70000"], "expected 0 to 65535 or none, got '70000'"),
        (["--frames-per-s", "25"], "expected a whole part of the model's 60"),
        (["--token-file", "nowhere"], "--token-file nowhere"),
        (["--bundle", "nowhere"], "nowhere"),
        (["--sesions", "3"], "--sessions"),
        (["bench", "--sessions", "0"], "expected a whole number from 1 on, got '0'"),
        (["bench", "--json", "nowhere/a.json"], "there is no such folder"),
    ],
)
def test_an_error_is_one_line_and_two(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("dt-serve: ")
    assert error.count("\n") == 1
    assert sentence in error


def test_a_port_that_is_taken(folder: Path) -> None:
    async def body() -> None:
        async with serving(folder) as server:
            for option, port in (
                ("--grpc-port", server.grpc_port),
                ("--http-port", server.http_port),
            ):
                other = {"--grpc-port": "--http-port", "--http-port": "--grpc-port"}[option]
                words = [option, str(port), other, "none", "--bundle", str(folder)]
                assert await asyncio.to_thread(_code, words) == 2

    run(body())


def _code(words: list[str]) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "diffusiontalker.serve.cli", *words],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "cannot listen at 127.0.0.1:" in done.stderr
    assert "Traceback" not in done.stderr
    return done.returncode


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM")
def test_it_says_where_it_listens_and_leaves_when_told(folder: Path) -> None:
    words = ["--grpc-port", "0", "--http-port", "0", "--bundle", str(folder), "--log", "json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "diffusiontalker.serve.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(3)]
        address = re.search(r"127\.0\.0\.1:\d+", said[0])
        assert address is not None
        assert "ws://127.0.0.1:" in said[1]

        async def ask() -> int:
            channel = client.connect(address[0])
            try:
                return await client.health(channel)
            finally:
                await channel.close()

        assert run(ask()) == messages.SERVING
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in error
    finally:
        process.kill()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
def test_tls(folder: Path, tmp_path: Path) -> None:
    pair = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
         "-out", str(pair[0]), "-keyout", str(pair[1])],
        check=True, capture_output=True,
    )  # fmt: skip

    async def body() -> None:
        async with (
            serving(folder, certificate=str(pair[0]), key=str(pair[1])) as server,
            channel_to(server, certificate=pair[0].read_bytes()) as channel,
        ):
            assert is_success(await talk(channel, sound(0.2).tobytes()))

    run(body())


def test_the_manifest_for_kubernetes_is_what_dt_serve_takes(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "kubernetes.yaml").read_text("utf-8")
    found = re.search(r"args: \[(.*)\]", text)
    assert found is not None
    command, *words = [word.strip(' "') for word in found[1].split(",")]
    assert command == "dt-serve"
    token = tmp_path / "token"
    token.write_text("secret")
    words[words.index("--token-file") + 1] = str(token)
    options = options_of(parser().parse_args(words))
    assert f"name: grpc, containerPort: {options.grpc_port}" in text
    assert f"name: http, containerPort: {options.http_port}" in text
    grace = re.search(r"terminationGracePeriodSeconds: (\d+)", text)
    assert grace is not None
    assert int(grace[1]) > options.drain_s
    served = (ROOT / "python/diffusiontalker/serve/websocket.py").read_text("utf-8")
    for path in re.findall(r"path: (\S+?),", text):
        assert f'"{path}"' in served
