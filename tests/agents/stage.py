"""Faces for agents against the agents' own packages, outside CI: `poe agents`.

Makes an environment of its own (the package in use, pipecat and LiveKit's agents, pinned), and runs
in it the tests beside this file: pipelines and sessions, the examples as programs, and, where
node's npm and a chromium are, the page with TalkingHead. DT_AGENTS_ENV keeps the environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import diffusiontalker

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PACKAGES = ("pipecat-ai==1.14.0", "livekit-agents==1.8.9", "playwright>=1.48", "pytest>=8")


def environment(folder: Path) -> Path:
    """Its Python. The package is the one that runs this, with what it needs."""
    if not (folder / "bin" / "python").exists():
        venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["serve"], *PACKAGES]
    print(f"environment: {folder}: {', '.join(PACKAGES)}", flush=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True)
    here = Path(site.stdout.strip()) / "diffusiontalker"
    if here.is_symlink():
        here.unlink()
    here.symlink_to(Path(diffusiontalker.__file__).parent, target_is_directory=True)
    return python


def main() -> int:
    tests = ["pipecat_face.py", "livekit_face.py", "agent_examples.py"]
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if shutil.which("npm") and browser:
        tests.append("talkinghead_page.py")
    else:
        print("npm or chromium is not here: the page with TalkingHead was not opened")
    with tempfile.TemporaryDirectory() as name:
        python = environment(Path(os.environ.get("DT_AGENTS_ENV", name)).resolve())
        own = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        command = [python, "-m", "pytest", "-s", "-q", "-p", "no:cacheprovider", *tests]
        return subprocess.run(command, cwd=HERE, env=own).returncode


if __name__ == "__main__":
    sys.exit(main())
