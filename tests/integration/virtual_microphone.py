"""A microphone without a sound card: a null sink of a PulseAudio server of our own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SINK = "module-null-sink sink_name=vmic rate=48000 channels=1 format=s16le"


@dataclass
class VirtualMicrophone:
    """The device "pulse" of whoever runs in `env`."""

    env: dict[str, str]
    server: subprocess.Popen[bytes] | None = None
    clip: Path | None = None  #: what is said into it, over and over
    player: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @classmethod
    def in_folder(cls, folder: Path, inherited: Mapping[str, str]) -> VirtualMicrophone:
        """A home of its own in `folder`, so that no real sound server is met."""
        home, runtime = folder / "home", folder / "run"
        home.mkdir()
        runtime.mkdir(mode=0o700)
        (home / ".asoundrc").write_text(
            "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
        )
        env = {**inherited, "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)}
        for name in ("PULSE_SERVER", "DBUS_SESSION_BUS_ADDRESS", "XDG_CONFIG_HOME"):
            env.pop(name, None)
        return cls(env)

    def plug_in(self, patience_s: float = 60.0) -> None:
        """Starts the server; what was being said goes on."""
        self.server = subprocess.Popen(
            [
                "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=yes",
                "-L", "module-native-protocol-unix", "-L", SINK,
            ],
            env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + patience_s
        for arguments in (("set-default-source", "vmic.monitor"), ("set-default-sink", "vmic")):
            while subprocess.run(
                ["pactl", *arguments], env=self.env, capture_output=True
            ).returncode:
                assert self.server.poll() is None, "pulseaudio ended"
                assert time.monotonic() < deadline, "pulseaudio does not answer"
                time.sleep(0.1)
        if self.clip is not None:
            self.speak(self.clip)

    def speak(self, clip: Path) -> None:
        """Plays a clip into the microphone, over and over."""
        self.clip = clip
        self.player = subprocess.Popen(
            ["sh", "-c", 'while paplay "$0"; do :; done', str(clip)],
            env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    def unplug(self) -> None:
        """The server dies at once, as a device does that is pulled out."""
        for process in (self.server, self.player):
            if process is None:
                continue
            try:
                if process is self.player:
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()
            except ProcessLookupError:
                pass
            process.wait()
        self.server = self.player = None
