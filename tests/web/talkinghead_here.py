"""examples/talkinghead/here.html in a real Chromium: our module moves the real TalkingHead 1.7.

Part of `poe web`, behind package.py, which builds the module. Wants node's npm, Debian's chromium.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page, sync_playwright

from chromium import WITH_SOUND, executable, furnish, served

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WEB = EXAMPLES / "web"
CLIP = EXAMPLES.parent / "python" / "diffusiontalker" / "data" / "demo.flac"
MICROPHONE_S = 5.0
#: At each picture what the mesh shows, by the clock of the sound that comes out; each frame's jaw.
#: Without a GPU a picture takes seconds, so it is drawn only when one is to be seen.
WATCH = """() => {
  const { head, face } = page;
  const draw = head.renderer.render.bind(head.renderer);
  window.picture = () => draw(head.scene, head.camera);
  head.renderer.render = () => {};
  const mesh = head.morphs[0];
  const jaw = mesh.morphTargetDictionary.jawOpen;
  const pitch = face.names.indexOf("headPitch");
  Object.assign(window, { shown: [], made: [], turned: [], pictures: 0, mesh });
  const note = () => {
    requestAnimationFrame(note);
    pictures++;
    if (!face.context) return;
    const { contextTime, performanceTime } = face.context.getOutputTimestamp();
    if (!performanceTime) return;
    const heard = contextTime + (performance.now() - performanceTime) / 1000;
    shown.push([heard - face.delayMs / 1000, mesh.morphTargetInfluences[jaw]]);
    const curves = face.now();
    if (curves) turned.push([head.mtAvatar.headRotateX.applied, curves[pitch]]);
  };
  requestAnimationFrame(note);
  face.addEventListener("frame", ({ detail: { seconds, curves } }) =>
    made.push([seconds, curves[face.names.indexOf("jawOpen")]]));
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`examples` as docs/agents.md has it made, served."""
    if not (WEB / "built" / "default.tar").exists():
        subprocess.run([sys.executable, WEB / "build.py"], check=True)
    examples = tmp_path_factory.mktemp("examples")
    (examples / "web").symlink_to(WEB)
    folder = examples / "talkinghead"
    folder.mkdir()
    for name in ("here.html", "package.json", "avatar.py"):
        shutil.copy(EXAMPLES / "talkinghead" / name, folder)
    furnish(folder)
    with served(examples) as address:
        yield f"{address}/talkinghead/here.html"


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    samples, rate = soundfile.read(CLIP, dtype="float32", frames=5 * 16000)
    at = np.arange(3 * len(samples)) / 3
    soundfile.write(path, np.interp(at, np.arange(len(samples)), samples), 3 * rate)
    return path


@pytest.fixture(scope="module")
def page(site: str, voice: Path) -> Iterator[Page]:
    arguments = [*WITH_SOUND, f"--use-file-for-fake-audio-capture={voice}"]
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=arguments)
        context = browser.new_context(
            permissions=["microphone"], viewport={"width": 900, "height": 480}
        )
        tab = context.new_page()
        tab.set_default_timeout(120_000)
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("console", lambda m: m.type == "error" and errors.append(m.text))
        tab.goto(site)
        tab.wait_for_selector("#microphone:enabled")
        tab.evaluate(WATCH)
        # What was drawn so far keeps the renderer busy for a while.
        tab.wait_for_function(
            "() => [pictures > window.was + 20, (window.was = pictures)][0]",
            polling=1000,
        )
        yield tab
        browser.close()
    assert errors == []


def check_mouth(page: Page, what: str) -> None:
    """The mesh beside the frames: how alike, and how late by the clock of the sound."""
    shown, made = (np.array(page.evaluate(name)) for name in ("shown", "made"))
    grid = np.arange(made[0, 0] + 0.4, min(made[-1, 0], shown[-1, 0]) - 0.4, 1 / 60)
    expected = np.interp(grid, made[:, 0], made[:, 1])
    assert len(grid) > 60 * (MICROPHONE_S - 2)
    assert expected.max() > 0.1
    best = (-1.0, 0)
    for lag_ms in range(-200, 201, 5):
        seen = np.interp(grid + lag_ms / 1000, shown[:, 0], shown[:, 1])
        best = max(best, (float(np.corrcoef(seen, expected)[0, 1]), lag_ms))
    rate = len(shown) / (shown[-1, 0] - shown[0, 0])
    print(f"\n{what}: TalkingHead's jaw follows jawOpen, r {best[0]:.4f} at {best[1]} ms; "
          f"{rate:.0f} pictures a second")  # fmt: skip
    assert best[0] > 0.95
    assert -20 <= best[1] <= 80  # a picture or two, on a machine that is busy
    turned = np.array(page.evaluate("turned"))[10:]  # the first may be TalkingHead's own
    assert np.ptp(turned[:, 1]) > 0.01
    assert np.corrcoef(turned[:, 0], turned[:, 1])[0, 1] > 0.95


def check_that_it_let_go(page: Page) -> None:
    page.wait_for_function("Object.values(page.head.mtAvatar).every((t) => t.realtime === null)")
    # TalkingHead is its own again: it shuts the mouth.
    page.wait_for_function("page.head.mtAvatar.jawOpen.applied < 0.02")


def forget(page: Page) -> None:
    page.evaluate("shown.length = made.length = turned.length = 0")


def look(page: Page) -> None:
    """Keeps a picture of the page with an open mouth, where DT_PICTURES says."""
    if folder := os.environ.get("DT_PICTURES"):
        page.wait_for_function("shown.at(-1)[1] > 0.2 && (page.head.stop(), picture(), true)")
        page.screenshot(path=Path(folder) / "here.png")
        page.evaluate("page.head.start()")


def test_a_sound_file_moves_it_and_lets_go(page: Page, voice: Path) -> None:
    forget(page)
    page.set_input_files("#file", voice)
    page.wait_for_function("made.length > 60")
    page.wait_for_selector("#file:enabled")
    assert page.inner_text("#said").endswith("frames.")
    check_mouth(page, "a sound file")
    check_that_it_let_go(page)


def test_a_microphone_moves_it(page: Page) -> None:
    forget(page)
    page.click("#microphone")
    page.wait_for_function(f"made.length > {60 * MICROPHONE_S}")
    check_mouth(page, "a microphone")
    look(page)
    # Whoever holds the hook may let go while the voice goes on.
    page.evaluate("page.letGo()")
    check_that_it_let_go(page)
    page.click("#stop")
    page.wait_for_selector("#microphone:enabled")
