"""The page in a real Chromium: `poe browser`, outside CI.

Wants Debian's chromium and PyPI's playwright. WebGL is drawn by the CPU, so pictures are few: what
is asserted is when and how far things move, not how often.
"""

from __future__ import annotations

import http.server
import re
import shutil
import signal
import socket as sockets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import chromium

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
from browser_client import page as tab_without_a_browser
from browser_client import until

from diffusiontalker import takes
from diffusiontalker.curves import CURVES
from diffusiontalker.preview.messages import FRAMES, unpack_frames

ARGUMENTS = [*chromium.ARGUMENTS, "--autoplay-policy=user-gesture-required"]
PICTURE_S = 1 / 60
JAW = CURVES.index("jawOpen")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    assert found, "a browser is needed: apt-get install --no-install-recommends chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield opened
        opened.close()


@contextmanager
def streaming(*options: object) -> Iterator[str]:
    """A dt-stream that runs meanwhile; its page's address."""
    command = [sys.executable, "-m", "diffusiontalker.stream.cli", "--preview", "--quiet"]
    process = subprocess.Popen([*command, *map(str, options)], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found is not None
        yield found[0]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with streaming("--demo", "--no-publish") as url:
        yield url


@pytest.fixture
def page(browser: Browser, demo: str) -> Iterator[Page]:
    with opened(browser, demo) as found:
        yield found


@contextmanager
def opened(browser: Browser, url: str, width: int = 1000, height: int = 700) -> Iterator[Page]:
    """The page, once the face is drawn. Fails where the page's script fails."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: m.type == "error" and errors.append(m.text))
    page.goto(url)
    page.locator("#veil").wait_for(state="detached", timeout=30000)
    yield page
    page.evaluate("preview.ask({do: 'turn', gain: {}, offset: {}})")
    page.evaluate("preview.ask({do: 'second', on: false})")
    context.close()
    assert errors == []


def wait(condition: Callable[[], Any], limit_s: float = 20.0) -> Any:
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_it_loads_in_three_seconds(browser: Browser, demo: str) -> None:
    """From the request to the picture after the first with the head; nothing is kept between."""
    names = ["script", "webgl", "parsed", "head"]
    took = []
    for _ in range(3):
        with opened(browser, demo) as page:
            wait(lambda page=page: page.evaluate("performance.getEntriesByName('head').length"))
            took.append(
                page.evaluate(
                    """(names) => names.map((name) =>
                      performance.getEntriesByName(name)[0].startTime / 1000)""",
                    names,
                )
            )
            fetched = page.evaluate("""() => performance.getEntriesByType("resource")
              .reduce((sum, { transferSize }) => sum + transferSize, 0)""")
    print(f"\n{fetched / 1e6:.1f} MB")
    for times in took:
        print(", ".join(f"{name} {t:.2f} s" for name, t in zip(names, times, strict=True)))
    assert min(times[-1] for times in took) < 3.0


LIP = """() => {
  // The rim of the lower lip: the highest point at the middle that goes down with the jaw.
  const { shapes } = preview.view.faces[0];
  const { rest, byName } = shapes;
  const { ids, by } = byName.get("jawOpen");
  const most = Math.min(...by.filter((_, k) => k % 3 === 1));
  let lip = -1;
  ids.forEach((id, k) => {
    if (Math.abs(rest[3 * id]) > 0.003 || by[3 * k + 1] > 0.5 * most) return;
    if (byName.get("mouthRollLower").ids.indexOf(id) < 0) return;
    if (lip < 0 || rest[3 * id + 1] > rest[3 * lip + 1]) lip = id;
  });
  window.seen = [];
  window.wire = [];
  const jaw = preview.state.schema.curves.indexOf("jawOpen");
  preview.watch = (now, time) => {
    window.seen.push([time, -shapes.points[3 * lip + 1], preview.clock.due(now) - time]);
    for (const frame of preview.tracks[0].frames) {
      const last = window.wire.at(-1)?.[0] ?? 0;
      if (frame.time > last) window.wire.push([frame.time, frame.curves[jaw]]);
    }
  };
}"""


def test_the_lower_lip_follows_the_jaw(page: Page) -> None:
    page.evaluate("preview.ask({do: 'turn', gain: {all: 0, jawOpen: 2}})")
    wait(lambda: page.evaluate("preview.state.settings.gain?.jawOpen === 2"))
    time.sleep(2.0)
    page.evaluate(LIP)
    time.sleep(12.0)
    seen, wire = (np.array(page.evaluate(f"window.{name}")) for name in ("seen", "wire"))
    good = (seen[:, 0] > wire[0, 0] + 0.3) & (seen[:, 0] < wire[-1, 0] - 0.3)
    assert good.sum() > 15
    shifts = np.arange(-0.2, 0.2001, 0.002)
    found = [
        np.corrcoef(seen[good, 1], np.interp(seen[good, 0] + shift, wire[:, 0], wire[:, 1]))[0, 1]
        for shift in shifts
    ]
    lag_s = -float(shifts[int(np.argmax(found))])
    behind_s = seen[good, 2]  # what was due, less what was shown
    print(f"\nr {max(found):.4f}, lag {1000 * lag_s:.0f} ms, behind what was due "
          f"{1000 * np.median(behind_s):.1f}, at most {1000 * behind_s.max():.0f} ms, "
          f"{good.sum()} pictures")  # fmt: skip
    assert max(found) > 0.99
    assert abs(lag_s) < 2 * PICTURE_S
    assert np.median(np.abs(behind_s)) < 2 * PICTURE_S


def test_frames_that_waited_for_the_face_are_no_measure_of_lateness(page: Page) -> None:
    wait(lambda: page.evaluate("preview.view.pictures > 1 && preview.clock.arrivals.length > 0"))
    before = page.evaluate("""() => {
      const head = performance.getEntriesByName("head").at(-1).startTime;
      return preview.clock.arrivals.filter(({ at }) => at * 1000 < head).length;
    }""")
    assert before <= 1


LATE_ONCE = """async () => {
  // 60 frames a second; those of 0.4 s come all at once, as after a page's own work.
  const { PlayoutClock } = await import("/page/clock.js");
  const clock = new PlayoutClock();
  const pictures = [];
  for (let k = 0; k < 60 * 25; k++) {
    const ms = (k * 1000) / 60;
    const late = k >= 60 && k < 84;
    if (!late) clock.note(ms, k / 60);
    pictures.push([clock.now(ms, late ? 59 / 60 : k / 60), clock.due(ms), clock.delay]);
    if (k === 84) for (let j = 60; j < 84; j++) clock.note(ms, j / 60);
  }
  return pictures;
}"""


def test_what_was_late_once_is_made_up_for_as_fast_as_can_be_shown(page: Page) -> None:
    shown, due, delay = np.array(page.evaluate(LATE_ONCE)).T
    assert delay.max() > 0.3
    assert delay[-1] < 0.06
    settled = slice(60 * 4, None)
    assert np.abs(due - shown)[settled].max() < 0.001
    assert np.abs(np.diff(shown)[settled] / PICTURE_S - 1).max() < 0.05


def pictures_a_second(page: Page, seconds: float = 4.0) -> float:
    before = page.evaluate("preview.view.pictures")
    time.sleep(seconds)
    return float(page.evaluate("preview.view.pictures") - before) / seconds


EYES = """(blink) => {
  // How many points of the picture show an eyeball.
  const { view } = preview;
  const face = view.faces[0];
  view.fineness = 1;
  view.watch = () => {};
  view.resize();
  const { THREE } = window.three;
  const flat = new THREE.MeshBasicMaterial({ color: 0xff00ff, toneMapped: false });
  const kept = face.meshes.map((mesh) => mesh.material);
  face.meshes.forEach((mesh, i) => { if (/eye/.test(kept[i].name)) mesh.material = flat; });
  const weights = new Float32Array(view.names.length);
  view.names.forEach((name, i) => { if (name.startsWith("eyeBlink")) weights[i] = blink; });
  face.pose(weights);
  view.draw();
  const gl = view.renderer.getContext();
  const { drawingBufferWidth: width, drawingBufferHeight: height } = gl;
  const pixels = new Uint8Array(4 * width * height);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  face.meshes.forEach((mesh, i) => { mesh.material = kept[i]; });
  let seen = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i] > 200 && pixels[i + 1] < 60 && pixels[i + 2] > 200) seen++;
  }
  return seen;
}"""


def test_a_blink_shuts_the_eyes(page: Page) -> None:
    page.evaluate("import('/three.js').then((three) => { window.three = three; })")
    wide, shut = page.evaluate(EYES, 0), page.evaluate(EYES, 1)
    print(f"\n{wide} points of eye, {shut} with the lids shut")
    assert wide > 100
    assert shut < 0.05 * wide


def test_sliders_change_the_wire(page: Page, demo: str) -> None:
    page.locator("#curves-panel summary").click()
    slider = page.get_by_role("slider", name="jawOpen offset")
    slider.focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    with tab_without_a_browser(demo) as tab:

        def jaw(message: Any) -> bool:
            return (
                isinstance(message, bytes)
                and message[0] == FRAMES
                and min(f[4][JAW] for f in unpack_frames(message)) >= 0.3 - 1e-6
            )

        until(tab, jaw)
    wait(lambda: page.locator("#turned").text_content() == "1 turned")
    page.get_by_role("button", name="jawOpen offset: back to 0").click()
    wait(lambda: page.evaluate("preview.state.settings.offset.jawOpen === 0"))


def test_a_and_b_differ(page: Page) -> None:
    page.keyboard.press("b")
    page.locator("#second-panel summary").click()
    page.get_by_label("Second face: Identity").select_option("am_santa")
    wait(lambda: page.evaluate("preview.state.second.identity === 'am_santa'"))
    apart = wait(
        lambda: page.evaluate("""() => {
      const [a, b] = preview.view.faces.map((f) => f.weights.map(([, w]) => w));
      return preview.view.two && preview.tracks[1].frames.length > 100
        && Math.max(...a.map((v, i) => Math.abs(v - b[i])));
    }""")
    )
    assert apart > 0.05
    assert page.locator("#name-b").is_visible()


def test_two_faces_leave_the_page_quick(page: Page, tmp_path: Path) -> None:
    one = pictures_a_second(page)
    page.keyboard.press("b")
    wait(lambda: page.evaluate("preview.view.two && preview.tracks[1].frames.length > 100"))
    two = pictures_a_second(page)
    begun = time.monotonic()
    page.screenshot(path=tmp_path / "two.png")
    took = time.monotonic() - begun
    print(
        f"\npictures a second: {one:.1f}, with two faces {two:.1f}; a screenshot took {took:.1f} s"
    )
    assert two > 0.4 * one
    assert took < 5.0


def test_a_recording_lands_on_disk(browser: Browser, tmp_path: Path) -> None:
    with (
        streaming("--demo", "--no-publish", "--record", tmp_path) as url,
        opened(browser, url) as page,
    ):
        page.get_by_role("button", name="Record", exact=True).click()
        name = wait(lambda: page.evaluate("preview.state.settings.recording"))
        time.sleep(2.0)
        page.get_by_role("button", name="Stop recording").click()
        page.get_by_text(f"take: {name}").wait_for()
        take = takes.read(name)
        assert take.complete
        assert len(take.values) > 60
        assert take.samples > 0
    assert len(takes.find(tmp_path)) == 2  # --record's own is the whole session


def test_the_sound_is_in_step(page: Page) -> None:
    page.get_by_role("button", name="Play the sound").click()
    wait(lambda: page.evaluate("preview.sound.told !== null"))
    time.sleep(3.0)
    page.evaluate("""() => {
      window.steps = [];
      preview.watch = (now, time) => {
        const told = preview.sound.told;
        if (told) window.steps.push(time - (told.at / preview.sound.context.sampleRate
          + preview.sound.heardContextTime(now) - told.time));
      };
    }""")
    time.sleep(4.0)
    steps = np.abs(page.evaluate("window.steps"))
    print(f"\nface and sound apart: median {1000 * np.median(steps):.1f}, "
          f"worst {1000 * steps.max():.1f} ms, {len(steps)} pictures")  # fmt: skip
    assert np.median(steps) < PICTURE_S
    assert page.locator("#hear").is_hidden()


def test_every_control_has_a_name_and_a_phone_needs_no_scrolling_aside(
    browser: Browser, demo: str
) -> None:
    with opened(browser, demo, 360, 740) as page:
        page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        nameless = page.evaluate("""() => {
          const named = (e) => e.getAttribute("aria-label") || e.textContent.trim()
            || e.labels?.length && e.labels[0].textContent.trim();
          return [...document.querySelectorAll("button, input, select, canvas")]
            .filter((e) => !named(e)).map((e) => e.outerHTML);
        }""")
        assert nameless == []
        page.locator("#face").focus()
        before = page.evaluate("preview.view.camera.position.x")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("preview.view.camera.position.x") != before


def test_another_sites_page_gets_nothing(browser: Browser, demo: str) -> None:
    port = re.findall(r":(\d+)/", demo)[0]

    class Evil(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>another site</title>")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    context = browser.new_context()
    page = context.new_page()
    page.goto(demo)  # this browser has the cookie
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    got = page.evaluate(
        """async (port) => {
          const base = `http://127.0.0.1:${port}`;
          const found = [];
          for (const mode of ["cors", "no-cors"]) {
            try {
              const answer = await fetch(`${base}/head.glb`, { mode, credentials: "include" });
              found.push([mode, answer.status, (await answer.blob()).size]);
            } catch (error) { found.push([mode, "refused"]); }
          }
          found.push(await new Promise((done) => {
            const socket = new WebSocket(`ws://127.0.0.1:${port}/stream`);
            socket.onopen = () => done(["websocket", "open"]);
            socket.onerror = () => done(["websocket", "refused"]);
          }));
          found.push(await new Promise((done) => {
            const script = document.createElement("script");
            script.src = `${base}/page/theme.js`;
            script.onload = () => done(["script", "loaded"]);
            script.onerror = () => done(["script", "refused"]);
            document.head.append(script);
          }));
          return found;
        }""",
        port,
    )
    context.close()
    server.shutdown()
    for what in got:
        assert what[1] == "refused" or what[1:] == [0, 0], got


@contextmanager
def taking(url: str, *, nothing: bool) -> Iterator[None]:
    """A page that takes what comes and does nothing with it, or takes nothing."""
    place = urlsplit(url)
    with sockets.create_connection((place.hostname or "", place.port or 0)) as connection:
        lines = [
            f"GET /stream?{place.query} HTTP/1.1", f"Host: {place.netloc}", "Connection: Upgrade",
            "Upgrade: websocket", f"Origin: http://{place.netloc}", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", "",
        ]  # fmt: skip
        connection.sendall("\r\n".join(lines).encode())
        assert b" 101 " in connection.recv(4096)

        def take() -> None:
            with suppress(ConnectionResetError):  # how a server that stops may end it
                while connection.recv(1 << 16):
                    pass

        taker = threading.Thread(target=take, daemon=True)
        if not nothing:
            taker.start()
        yield
        connection.shutdown(sockets.SHUT_RDWR)
        if not nothing:
            taker.join(10)


def p99_ms(pages: int, stalled: int = 0) -> float:
    """Of the wire's frames, capture to arrival at a subscriber, with so many pages open."""
    with sockets.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    measure = """
import contextlib, sys, time, numpy
from diffusiontalker.frames import StampedFrame
from diffusiontalker.stream.session.subscriber import Subscriber
late = []
with contextlib.closing(Subscriber(sys.argv[1])) as subscriber:
    end = time.monotonic() + 14
    while time.monotonic() < end:
        message = subscriber.receive()
        if isinstance(message, StampedFrame):
            late.append(time.monotonic_ns() - message.capture_ns)
print(numpy.percentile(late[120:], 99) / 1e6)
"""
    with streaming("--demo", "--to", f"zmq://127.0.0.1:{port}") as url, ExitStack() as stack:
        for number in range(pages + stalled):
            stack.enter_context(taking(url, nothing=number >= pages))
        done = subprocess.run(
            [sys.executable, "-c", measure, f"tcp://127.0.0.1:{port}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    return float(done.stdout)


def test_pages_leave_the_wire_as_it_is() -> None:
    kinds = {"none": (0, 0), "ten": (10, 0), "stalled": (1, 2)}
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(3):
        for name, kind in kinds.items():
            found[name].append(p99_ms(*kind))
    print("\np99, ms:", {name: [round(ms, 1) for ms in each] for name, each in found.items()})
    quiet = min(found["none"])
    noise = max(8.0, 2 * (max(found["none"]) - quiet))
    assert min(found["ten"]) < quiet + noise
    assert min(found["stalled"]) < quiet + noise
