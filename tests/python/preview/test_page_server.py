"""The page's server: who is served, what comes over the websocket, and who delays nobody."""

from __future__ import annotations

import socket as sockets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from browser_client import bare, cookie, get, page, says, until
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from diffusiontalker.frames import Audio, StampedFrame
from diffusiontalker.preview import PreviewError
from diffusiontalker.preview.guard import Allowance
from diffusiontalker.preview.link import QUEUE, Link
from diffusiontalker.preview.messages import FRAMES, SOUND, Mute, Turn, unpack_frames, unpack_sound

CURVES = tuple(np.linspace(0, 1, 52, dtype=np.float32).tolist())


def frame(i: int) -> StampedFrame:
    return StampedFrame("face", 5, i, i, 60, 1, 800 * i, 48000, 0, 0, CURVES)


def wait(condition: object, limit_s: float = 5.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def link() -> Iterator[Link]:
    with Link() as opened:
        yield opened


def test_the_address_with_its_token_opens_the_page_and_nothing_else_does(link: Link) -> None:
    first = get(link.url)
    assert (first.status, first.getheader("location")) == (303, "/")
    assert {"HttpOnly", "SameSite=Strict"} <= set((first.getheader("set-cookie") or "").split("; "))
    mine = cookie(link.url)
    page_text = get(bare(link.url), cookie=mine)
    assert page_text.status == 200
    assert "DiffusionTalker" in page_text.text  # type: ignore[attr-defined]
    assert "frame-ancestors 'none'" in (page_text.getheader("content-security-policy") or "")
    for path in ("/", "/three.js", "/head.glb", "/page/main.js", "/page/nothing", "/stream"):
        assert get(bare(link.url, path)).status == 403
        assert get(bare(link.url, f"{path}?token=guess")).status == 403
        assert get(bare(link.url, path), cookie=mine + "x").status == 403
    for path in ("/three.js", "/head.glb", "/page/main.js"):
        assert get(bare(link.url, path), cookie=mine).status == 200
    assert get(bare(link.url, "/page/../server.py"), cookie=mine).status == 404


def test_a_browser_that_has_the_head_is_not_sent_it_again(link: Link) -> None:
    mine, head = cookie(link.url), bare(link.url, "/head.glb")
    tag = get(head, cookie=mine).getheader("etag") or ""
    again = get(head, cookie=mine, if_none_match=tag)
    assert (again.status, again.getheader("etag")) == (304, tag)
    assert get(head, cookie=mine, if_none_match='"another"').status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"}, {"host": "127.0.0.1"}, {"host": ""},
        {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:1"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"},
        {"sec_fetch_site": "same-site", "sec_fetch_mode": "cors"},
    ],
    ids=str,
)  # fmt: skip
def test_another_origin_is_not_served_even_with_the_token(
    link: Link, headers: dict[str, str]
) -> None:
    refused = get(link.url, cookie=cookie(link.url), **headers)
    assert refused.status in (403, 421)
    assert refused.getheader("set-cookie") is None
    assert refused.getheader("access-control-allow-origin") is None


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "https://127.0.0.1"])
def test_a_websocket_of_another_origin_is_refused(link: Link, origin: str | None) -> None:
    place = urlsplit(link.url)
    with pytest.raises(InvalidStatus) as refusal:
        connect(f"ws://{place.netloc}/stream?{place.query}", origin=origin, proxy=None)  # type: ignore[arg-type]
    assert refusal.value.response.status_code == 403
    with pytest.raises(InvalidStatus):
        connect(f"ws://{place.netloc}/stream", origin=f"http://{place.netloc}", proxy=None)  # type: ignore[arg-type]


def test_frames_and_sound_come_as_they_were_sent(link: Link) -> None:
    with page(link.url) as socket:
        wait(lambda: link.pages == 1)
        for i in range(200):
            link.frame(frame(i))
            if i % 10 == 0:
                link.sound(Audio("face", 5, i // 10, 800 * i, 48000, 0, bytes(2 * 800)))
            time.sleep(0.001)
        frames: list[object] = []
        positions: list[int] = []
        while len(frames) < 200 or len(positions) < 20:
            for message in until(socket, lambda m: isinstance(m, bytes)):
                if isinstance(message, bytes) and message[0] == FRAMES:
                    frames += unpack_frames(message)
                if isinstance(message, bytes) and message[0] == SOUND:
                    positions.append(unpack_sound(message).position)
    assert frames == [(i, i / 60, i, 0, CURVES) for i in range(200)]
    assert positions == [8000 * i for i in range(20)]
    wait(lambda: link.pages == 0)


def test_controls_come_back_typed_and_bad_ones_are_refused(link: Link) -> None:
    with page(link.url) as socket:
        socket.send('{"do": "turn", "gain": {"jawOpen": 2}}')
        wait(lambda: link.wait(0.1))
        assert link.controls() == [Turn(gain={"jawOpen": 2})]
        socket.send('{"do": "turn", "gain": 2}')
        refused = until(socket, says("refused"))[-1]
        assert "gain" in refused["text"]
        assert link.controls() == []


@pytest.mark.parametrize("control", [b"", b"\xff\x00", "", "[" * 60000, '{"do": 5}', "null"])
def test_a_control_that_is_none_is_refused_and_the_page_stays(
    link: Link, control: str | bytes
) -> None:
    with page(link.url) as socket:
        socket.send(control)
        assert "control" in until(socket, says("refused"))[-1]["text"]
        socket.send('{"do": "mute", "on": true}')
        wait(lambda: link.wait(0.1))
        assert link.controls() == [Mute(True)]


def test_controls_come_no_faster_than_a_hand_can_want_them() -> None:
    allowance = Allowance(100.0, 200)
    assert [allowance.spend(5.0) for _ in range(200)] == [0.0] * 200
    now_s = 5.0
    for _ in range(1000):
        now_s += allowance.spend(now_s)
    assert now_s - 5.0 == pytest.approx(10.0, abs=0.02)
    assert allowance.spend(now_s + 60.0) == 0.0


def test_more_pages_than_there_is_room_for_are_told_so(link: Link) -> None:
    place = urlsplit(link.url)

    def opened() -> ClientConnection:
        origin: Any = f"http://{place.netloc}"
        return connect(
            f"ws://{place.netloc}/stream?{place.query}", origin=origin, proxy=None, close_timeout=0
        )

    held = [opened() for _ in range(32)]
    wait(lambda: link.pages == 32)
    with pytest.raises(InvalidStatus):
        opened()
    for each in held:
        each.socket.close()
    wait(lambda: link.pages == 0)


def test_who_comes_later_hears_what_is_known(link: Link) -> None:
    link.tell("status", level_db=-20)
    time.sleep(0.2)
    with page(link.url) as socket:
        told = until(socket, says("status"))
    assert {m["say"] for m in told} >= {"presets", "second", "head", "status"}


def test_a_page_that_reads_nothing_delays_nobody(link: Link) -> None:
    with page(link.url), page(link.url) as good:
        wait(lambda: link.pages == 2)
        slowest = 0.0
        seen = 0
        begun = time.monotonic()
        for i in range(600):
            before = time.perf_counter()
            link.frame(frame(1000 + i))
            link.sound(Audio("face", 5, i, 8000 * i, 48000, 0, bytes(16000)))
            slowest = max(slowest, time.perf_counter() - before)
            time.sleep(0.001)
        while seen < 1000 + 599:
            for message in until(good, lambda m: isinstance(m, bytes)):
                if isinstance(message, bytes) and message[0] == FRAMES:
                    seen = unpack_frames(message)[-1][0]
        assert time.monotonic() - begun < 10
        assert slowest < 0.05


def test_a_server_that_stands_still_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import signal

    if not hasattr(signal, "SIGSTOP"):
        pytest.skip("no SIGSTOP here")
    monkeypatch.setattr("diffusiontalker.preview.link._LEAVE_PATIENCE_S", 0.5)
    with Link() as link, page(link.url):
        wait(lambda: link.pages == 1)
        os.kill(link._process.pid, signal.SIGSTOP)
        slowest = 0.0
        for i in range(6 * QUEUE):
            before = time.perf_counter()
            link.frame(frame(i))
            slowest = max(slowest, time.perf_counter() - before)
        # The pipe takes what fits, and its writer a queue of them more; the oldest of the rest
        # make room for the newest.
        assert link.dropped > 2 * QUEUE
        assert len(link._waiting) <= QUEUE
        assert slowest < 0.05
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    assert not link.alive


def test_a_port_that_is_taken_is_one_line() -> None:
    with sockets.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PreviewError, match=f"--preview-port {port}: .*in use; 0 is any port"):
            Link(port=port)


def test_without_its_packages_one_line_says_what_brings_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("diffusiontalker.preview.link.find_spec", lambda _: None)
    with pytest.raises(
        PreviewError, match=r"--preview needs nicegui.*'diffusiontalker\[preview\]'"
    ):
        Link()


@pytest.mark.parametrize("content", [None, b"not a head"])
def test_a_head_that_cannot_be_shown_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "head.glb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PreviewError, match=r"--head .*head\.glb") as refusal:
        Link(head=path)
    assert "\n" not in str(refusal.value)
