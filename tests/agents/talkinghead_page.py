"""The page of examples/talkinghead in a real Chromium, with the real TalkingHead: `poe agents`.

Wants Debian's chromium, node's npm and PyPI's playwright.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, sync_playwright
from said import JAW, alone, speech

from chromium import ARGUMENTS, executable, furnish, served

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "talkinghead"
MOUTHS = """() => {
  // What the avatar's mesh shows, at each picture, by the clock of the sound.
  // Without a GPU a picture takes seconds: it is drawn when a test wants to see one.
  window.log = [];
  const { head, face } = page;
  const draw = head.renderer.render.bind(head.renderer);
  window.picture = () => draw(head.scene, head.camera);
  head.renderer.render = () => {};
  const note = () => {
    const jaw = head.mtAvatar.jawOpen;
    const drawn = head.morphs[0];
    const at = drawn.morphTargetDictionary.jawOpen;
    log.push([performance.now(), drawn.morphTargetInfluences[at], face.speaking ? 1 : 0]);
    requestAnimationFrame(note);
  };
  requestAnimationFrame(note);
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The folder as docs/agents.md has it made, served."""
    folder = tmp_path_factory.mktemp("talkinghead")
    for file in [*EXAMPLE.iterdir(), ROOT / "examples" / "web" / "face-session.js"]:
        if file.is_file():
            shutil.copy(file, folder)
    furnish(folder)
    with served(folder) as address:
        yield f"{address}/"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    tab = browser.new_page(viewport={"width": 900, "height": 480})
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda m: m.type == "error" and errors.append(m.text))
    tab.goto(site, timeout=120000)
    until(lambda: tab.locator("#said").inner_text() == "Ready.", 120)
    tab.evaluate(MOUTHS)
    # What was drawn so far keeps the renderer busy for a while.
    until(lambda: tab.evaluate("log.length > 60 && log.at(-1)[0] - log.at(-31)[0] < 1500"), 90)
    yield tab
    tab.close()
    assert errors == []


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    soundfile.write(path, speech(4.0)[8000:], 16000)
    return path


@contextmanager
def running(*command: object) -> Iterator[str]:
    """A program that prints where it listens."""
    process = subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip().split()[-1]
    finally:
        process.terminate()
        process.wait(30)


def agent(voice: Path) -> Any:
    program = f"sh -c 'cat {voice}'"
    return running(
        EXAMPLE.parent / "pipecat_agent.py", "--serve", "--port", 18765, "--tts", program
    )


def look(page: Page, name: str) -> None:
    """Keeps a picture of the page as it is now, where DT_PICTURES says."""
    if folder := os.environ.get("DT_PICTURES"):
        page.evaluate("page.head.stop(), picture()")
        page.screenshot(path=Path(folder) / f"{name}.png")
        page.evaluate("page.head.start()")


def until(condition: Any, limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def spoken(page: Page) -> tuple[Any, Any]:
    """(seconds since sound began, jaw) of the pictures while something is heard."""
    log = np.array(page.evaluate("log"))
    heard = log[log[:, 2] == 1]
    return (heard[:, 0] - heard[0, 0]) / 1000, heard[:, 1]


def check_mouth(page: Page, voice: Path, what: str) -> None:
    seconds, jaw = spoken(page)
    pcm, _ = soundfile.read(voice, dtype="int16")
    expected = alone(pcm)[:, JAW]
    length = min(seconds[-1], len(expected) / 60) - 0.3
    grid = np.arange(0.2, length, 1 / 60)
    best = (-1.0, 0)
    for lag_ms in range(-200, 301, 10):
        shown = np.interp(grid + lag_ms / 1000, seconds, jaw)
        r = float(np.corrcoef(shown, expected[np.rint(grid * 60).astype(int)])[0, 1])
        best = max(best, (r, lag_ms))
    rate = len(seconds) / seconds[-1]
    print(f"\n{what}: the avatar's jaw follows the curve, r {best[0]:.3f} at {best[1]} ms; "
          f"{rate:.0f} pictures a second; "
          f"{seconds[-1]:.2f} s heard of {pcm.size / 16000:.2f}")  # fmt: skip
    assert best[0] > 0.9
    gaps_ms = max(0.0, 1000 * (seconds[-1] - pcm.size / 16000))  # of sound that came too late
    assert -100 <= best[1] <= 100 + gaps_ms
    assert jaw.max() > 0.1


def test_an_agents_face_speaks(page: Page, voice: Path) -> None:
    with agent(voice) as address:
        page.fill("#agent", address)
        page.click("#say")
        until(lambda: page.evaluate("page.face.speaking"))
        until(lambda: not page.evaluate("page.face.speaking"))
        check_mouth(page, voice, "agent")
        look(page, "silent")
        # Between utterances it lives on, and it speaks again.
        page.evaluate("log.length = 0")
        page.click("#say")
        until(lambda: page.evaluate("page.face.speaking"))
        until(lambda: not page.evaluate("page.face.speaking"))
        check_mouth(page, voice, "agent, again")


def test_an_interruption_closes_the_mouth(page: Page, voice: Path) -> None:
    with agent(voice) as address:
        page.fill("#agent", address)
        page.click("#say")
        until(lambda: page.evaluate("page.face.speaking"))
        until(lambda: page.evaluate("log.at(-1)?.[1] > 0.12"))
        page.evaluate("""() => {
          const { face } = page;
          const interrupt = face.interrupt.bind(face);
          face.interrupt = () => { window.told = performance.now(); interrupt(); };
        }""")
        click_ms = page.evaluate("document.getElementById('stop').click(), performance.now()")
        until(lambda: page.evaluate("window.told"))
        cut_ms = page.evaluate("told")
        time.sleep(1.5)
        log = np.array(page.evaluate("log"))
        after = log[log[:, 0] > cut_ms]
        shut = after[after[:, 1] < 0.01]
        print(f"\nthe mouth is closed {shut[0, 0] - cut_ms:.0f} ms after the agent's message, "
              f"which came {cut_ms - click_ms:.0f} ms after the click")  # fmt: skip
        assert shut[0, 0] - cut_ms < 200  # 100, and slow pictures
        late = after[after[:, 0] > cut_ms + 400]
        assert late[:, 1].max() < 0.05
        assert not late[:, 2].any()


def test_a_file_by_dt_serve(page: Page, voice: Path) -> None:
    serve = ["-m", "diffusiontalker.serve.cli", "--grpc-port", "none", "--http-port", 18000]
    with running(*serve):
        page.fill("#server", "ws://127.0.0.1:18000/v1/face")
        page.set_input_files("#file", voice)
        until(lambda: page.evaluate("page.face.speaking"))
        until(lambda: not page.evaluate("page.face.speaking"))
        check_mouth(page, voice, "dt-serve")
        page.evaluate("log.length = 0")
        page.set_input_files("#file", [])
        page.set_input_files("#file", voice)
        until(lambda: page.evaluate("page.face.speaking"))
        until(lambda: page.evaluate("log.at(-1)?.[1] > 0.12"))
        look(page, "speaking")
        cut_ms = page.evaluate("document.getElementById('stop').click(), performance.now()")
        time.sleep(1.0)
        log = np.array(page.evaluate("log"))
        late = log[log[:, 0] > cut_ms + 400]
        assert late[:, 1].max() < 0.05
