"""Question: how does the embedded model stand beside HeadAudio, on the same recordings?

    npm install --prefix NODE_FOLDER @met4citizen/headaudio@0.1.0
    python studies/peer_headaudio.py --headaudio NODE_FOLDER CONFIG [FOLDER ...]

HeadAudio (MIT) is a streaming lip-sync for browsers: 15 Oculus visemes from MFCCs. Here it runs
under node (peer_headaudio.mjs), in blocks of 128 samples, its animation loop at 60 Hz. Visemes
become jawOpen by the weights that its author publishes with TalkingHead. Both hear the takes with
measured faces that CONFIG holds out, then those of each FOLDER. What is printed is r of jawOpen, a
clip, as it comes, read 80 ms later (a sound delayed by that), and at the lag that suits it best.

HeadAudio's settings are searched one after another, on 40 of the very takes that are then scored.
That is kind to it. So is its last row, whose jaw weights are fitted to the face of CONFIG.

Answer (2026-11-26, docs/results/peers.md): r of jawOpen, a clip: 0.922 beside HeadAudio's 0.480
with its best settings on 150 GRID clips, 0.589 beside 0.229 on two strangers in sync, 0.384 beside
0.098 on five rougher ones; HeadAudio gains 0.13 to 0.15 on strangers at the delay that suits it.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import samplerate
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from diffusiontalker import bundle
from diffusiontalker.curves import CURVES
from diffusiontalker.train import config, corpora
from diffusiontalker.train.corpora import SAMPLE_RATE_HZ, Recording
from diffusiontalker.train.measure import metrics
from diffusiontalker.train.measure.players import runtime_player
from diffusiontalker.train.measure.report import markdown_table
from diffusiontalker.train.measure.takes import fair_takes, some
from diffusiontalker.train.recipes import run

Array = NDArray[np.float32]

PACKAGE = Path("@met4citizen") / "headaudio"
JAW = CURVES.index("jawOpen")

#: Viseme -> phones (IPA, one character), in HeadAudio's numbering: its model file, and what that
#: lacks by appendix A of its README.
PHONES = {
    "aa": "aɑɐæʌ", "E": "eɛɜəɚ", "I": "iɪᵻj", "O": "oɔɒ", "U": "uʊw", "PP": "pbm", "SS": "szʃʒh",
    "TH": "θð", "DD": "td", "FF": "fv", "kk": "kɡ", "nn": "nŋ", "RR": "ɹɾl", "CH": "ʧʤ", "sil": "_",
}  # fmt: skip
VISEMES = list(PHONES)
SIL = VISEMES.index("sil")

#: jawOpen of a full viseme: blender/build-visemes-from-arkit.py of met4citizen/TalkingHead.
PUBLISHED = np.array(
    [0.6, 0.3, 0.2, 0.2, 0, 0, 0.1, 0.2, 0.2, 0, 0.15, 0.15, 0.2, 0.2, 0], np.float32
)

FRAME_RATE_HZ = 60
CHOSEN_ON = 40  # takes that the settings are searched on
FITTED_ON = 120  # takes that the jaw weights are fitted to
LATER_S = 0.08
LAGS_S = np.arange(-10, 21) * 0.02
TONE_S = 0.2  # length of one piece of the room's tone
TONE_PIECES = 10  # a calibration asks for 100 hops of 16 ms


@dataclass(frozen=True)
class Settings:
    """What HeadAudio can be told, and what it is fed."""

    rate_hz: int = 48000  # of a usual browser's AudioContext
    calibrated: bool = False  # calibrate() on the speaker's quietest moments
    aa: bool = False  # show viseme 0, which 0.1.0 never does (its issue 2)
    parameters: Mapping[str, float] = field(default_factory=dict)  # README, parameterData

    def __str__(self) -> str:
        words = [f"{self.rate_hz / 1000:g} kHz"]
        words += ["silence calibrated"] * self.calibrated + ["aa repaired"] * self.aa
        words += [f"{name} {value:g}" for name, value in self.parameters.items()]
        return ", ".join(words)


def gate(active_db: float, inactive_db: float) -> dict[str, Any]:
    return {"parameters": {"vadGateActiveDb": active_db, "vadGateInactiveDb": inactive_db}}


#: Tried in this order, each on top of the best so far; the first is what the README documents.
SEARCH: Sequence[Sequence[dict[str, Any]]] = (
    [{"calibrated": True}],
    [
        gate(-40, -60),
        gate(-35, -45),
        gate(-30, -40),
        gate(-20, -30),
        {"parameters": {"vadMode": 0}},
    ],
    [{"rate_hz": rate_hz} for rate_hz in (16000, 24000, 44100)],
    [{"parameters": {"speakerMeanHz": hz}} for hz in (120, 225)],
    [{"parameters": {"silSensitivity": value}} for value in (0.8, 2.0)],
    [{"aa": True}],
)


def changed(settings: Settings, change: dict[str, Any]) -> Settings:
    parameters = {**settings.parameters, **change.get("parameters", {})}
    return replace(settings, **{**change, "parameters": parameters})


class HeadAudio:
    """The package in a node of its own."""

    def __init__(self, folder: Path) -> None:
        node = shutil.which("node")
        if node is None:
            raise FileNotFoundError("node is not installed: HeadAudio runs in it (Node.js 18+)")
        places = [folder / "node_modules" / PACKAGE, folder]
        package = next((p for p in places if (p / "modules" / "headworklet.mjs").is_file()), None)
        if package is None:
            raise FileNotFoundError(
                f"no HeadAudio in {folder}: npm install --prefix {folder} {PACKAGE.as_posix()}"
            )
        self.version = json.loads((package / "package.json").read_text())["version"]
        script = Path(__file__).with_suffix(".mjs")
        self._node = subprocess.Popen(
            [node, str(script), str(package.resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def play(
        self, take: Recording, settings: Settings, room: Array | None
    ) -> tuple[Array, list[tuple[float, int]]]:
        """The visemes' values (frames, 15) at 60 Hz; the classifier's decisions and their times."""
        asked = {
            "audio": _text(take.audio, settings.rate_hz),
            "rate": settings.rate_hz,
            "parameters": dict(settings.parameters),
            "aa": settings.aa,
            "frameRate": FRAME_RATE_HZ,
        }
        if settings.calibrated and room is not None:
            asked["room"] = _text(room, settings.rate_hz)
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        try:
            self._node.stdin.write(json.dumps(asked) + "\n")
            self._node.stdin.flush()
        except BrokenPipeError:
            pass  # what follows says so
        line = self._node.stdout.readline()
        if not line:
            raise ValueError(f"node stopped at {take.id}; its own message is above")
        answer = json.loads(line)
        values = np.frombuffer(base64.b64decode(answer["values"]), np.float32)
        return values.reshape(-1, len(VISEMES)), [(s, int(v)) for s, v in answer["decisions"]]


def _text(audio: Array, rate_hz: int) -> str:
    if rate_hz != SAMPLE_RATE_HZ:
        audio = samplerate.resample(audio, rate_hz / SAMPLE_RATE_HZ, "sinc_best")
    return base64.b64encode(audio.astype(np.float32).tobytes()).decode()


def room_tones(takes: Sequence[Recording]) -> dict[str, Array]:
    """The quietest moments of each speaker's takes, 2 s together; nobody with less has any."""
    size = round(TONE_S * SAMPLE_RATE_HZ)
    tones = {}
    for speaker in {take.speaker for take in takes}:
        own = [take.audio for take in takes if take.speaker == speaker]
        pieces = [a[at : at + size] for a in own for at in range(0, len(a) - size + 1, size)]
        # Digital silence has no spread, which the calibration asks for.
        pieces = sorted((p for p in pieces if p.std() > 1e-5), key=lambda p: float(p.std()))
        if len(pieces) >= TONE_PIECES:
            tones[speaker] = np.concatenate(pieces[:TONE_PIECES])
    return tones


def visemes(
    peer: HeadAudio, takes: Sequence[Recording], settings: Settings, what: str = "playing"
) -> list[Array]:
    tones = room_tones(takes)
    shown = track(takes, f"HeadAudio, {what}", console=Console(stderr=True))
    return [peer.play(take, settings, tones.get(take.speaker))[0] for take in shown]


def pairs(
    takes: Sequence[Recording], played: Sequence[Array], rate_hz: float, late_s: float
) -> list[tuple[Array, Array]]:
    """What was played, read `late_s` after the instants of the truth, and jawOpen's truth."""
    out = []
    for take, values in zip(takes, played, strict=True):
        assert take.curves is not None
        assert take.times_s is not None
        at = (take.times_s + late_s) * rate_hz
        inside = (at >= 0.0) & (at <= len(values) - 1)
        low = np.minimum(at[inside].astype(int), len(values) - 2)
        share = (at[inside] - low).reshape(-1, *[1] * (values.ndim - 1))
        read = values[low] * (1 - share) + values[low + 1] * share
        out.append((read.astype(np.float32), take.curves[inside, JAW]))
    return out


def r_at(takes: Sequence[Recording], jaws: Sequence[Array], rate_hz: float, late_s: float) -> float:
    """r of jawOpen, mean over the clips; one in which the prediction does not move counts 0."""
    each = [metrics.correlation(p, t) for p, t in pairs(takes, jaws, rate_hz, late_s)]
    return float(np.mean(np.nan_to_num(each)))


def best_lag(takes: Sequence[Recording], jaws: Sequence[Array], rate_hz: float) -> float:
    return float(max(LAGS_S, key=lambda late_s: r_at(takes, jaws, rate_hz, float(late_s))))


def row(label: str, takes: Sequence[Recording], jaws: Sequence[Array], rate_hz: float) -> list[str]:
    lag_s = best_lag(takes, jaws, rate_hz)
    rs = [r_at(takes, jaws, rate_hz, late_s) for late_s in (0.0, LATER_S, lag_s)]
    return [label, str(len(takes)), *(f"{r:.3f}" for r in rs), f"{1000 * lag_s:+.0f} ms"]


def best_settings(peer: HeadAudio, takes: Sequence[Recording]) -> Settings:
    """The settings of SEARCH with the best r at their best lag."""

    def worth(settings: Settings) -> float:
        played = visemes(peer, takes, settings, "searching settings")
        jaws = [values @ PUBLISHED for values in played]
        return r_at(takes, jaws, FRAME_RATE_HZ, best_lag(takes, jaws, FRAME_RATE_HZ))

    best = Settings()
    reached = worth(best)
    for changes in SEARCH:
        tried = [changed(best, change) for change in changes]
        worths = [worth(settings) for settings in tried]
        if max(worths) > reached:
            reached, best = max(zip(worths, tried, strict=True), key=lambda pair: pair[0])
    return best


def fitted_weights(peer: HeadAudio, takes: Sequence[Recording], settings: Settings) -> Array:
    """Least squares from the visemes to the measured jawOpen, at the published weights' lag."""
    played = visemes(peer, takes, settings, "fitting weights")
    lag_s = best_lag(takes, [values @ PUBLISHED for values in played], FRAME_RATE_HZ)
    both = pairs(takes, played, FRAME_RATE_HZ, lag_s)
    x = np.concatenate([values for values, _ in both]).astype(np.float64)
    x = np.c_[x, np.ones(len(x))]
    y = np.concatenate([true for _, true in both]).astype(np.float64)
    # The ridge keeps visemes that hardly occur out of it.
    weights = np.linalg.solve(x.T @ x + 1.0 * np.eye(x.shape[1]), x.T @ y)
    return weights[:-1].astype(np.float32)


def recognised(peer: HeadAudio, takes: Sequence[Recording], settings: Settings) -> str:
    """How often the viseme is that of the phone, at the delay that suits best."""
    step_s, delays_s = 0.01, np.arange(0, 16) * 0.01
    viseme_of = {phone: i for i, name in enumerate(VISEMES) for phone in PHONES[name]}
    right = np.zeros(len(delays_s))
    asked = np.zeros(len(VISEMES), int)
    for take in track(takes, "HeadAudio, phones", console=Console(stderr=True)):
        _, decisions = peer.play(take, settings, None)
        at_s = np.array([-1.0, *(second for second, _ in decisions)])
        said = np.array([SIL, *(viseme for _, viseme in decisions)])
        for phone in take.phones:
            wanted = viseme_of.get(phone.symbol, SIL)
            if wanted == SIL:
                continue
            instants = np.arange(phone.start_s, phone.end_s, step_s)
            asked[wanted] += len(instants)
            for i, delay_s in enumerate(delays_s):
                heard = said[np.searchsorted(at_s, instants + delay_s, side="right") - 1]
                right[i] += (heard == wanted).sum()
    return (
        f"HeadAudio's viseme is that of the phone in {100 * right.max() / asked.sum():.0f} % of "
        f"the speech, {1000 * delays_s[right.argmax()]:.0f} ms late "
        f"(always {VISEMES[asked.argmax()]}: {100 * asked.max() / asked.sum():.0f} %)"
    )


def measured(takes: Sequence[Recording]) -> list[Recording]:
    return [take for take in takes if take.curves is not None and take.duration_s >= 1.0]


def compare(peer: HeadAudio, arguments: argparse.Namespace) -> None:
    settings = config.load(arguments.config)
    model = bundle.read(None if arguments.bundle == "default" else arguments.bundle)
    engine = runtime_player(model, threads=1)
    data = run.read_data(settings)
    names = [source.name for source in settings.sources]
    held_out = dict(zip(names, map(measured, data.held_out), strict=True))
    groups = {name: takes for name, takes in held_out.items() if takes}
    if not groups:
        raise ValueError(f"{arguments.config} holds out no take with a measured face")
    face = next(iter(groups))
    for folder in map(Path, arguments.folders):
        takes = measured(fair_takes(model, corpora.load(folder).train))
        if not takes:
            raise ValueError(f"{folder} holds no usable take with a measured face")
        groups[folder.name] = takes

    unasked = Settings(rate_hz=SAMPLE_RATE_HZ)
    documented = Settings()
    table = [
        ["takes, model", "clips", "r jawOpen, a clip", "80 ms later", "at best lag", "best lag"]
    ]
    said = []
    for name, takes in groups.items():
        shown = track(takes, f"{model.name}, {name}", console=Console(stderr=True))
        ours = [engine([take], 0, "auto")[0][:, JAW] for take in shown]
        label = f"{name}: ours ({model.name}, automatic identity)"
        table.append(row(label, takes, ours, float(model.frame_rate)))
        best = best_settings(peer, some(takes, CHOSEN_ON))
        said.append(f"HeadAudio's best settings for {name}: {best}.")
        learnt = some(measured(data.train[names.index(face)]), FITTED_ON)
        for label, chosen, weights in (
            (f"{unasked}", unasked, PUBLISHED),
            (f"{documented}", documented, PUBLISHED),
            ("best settings", best, PUBLISHED),
            (f"best settings, weights fitted to {face}", best, fitted_weights(peer, learnt, best)),
        ):
            jaws = [values @ weights for values in visemes(peer, takes, chosen)]
            table.append(row(f"{name}: HeadAudio, {label}", takes, jaws, FRAME_RATE_HZ))
    print(f"HeadAudio {peer.version}, {model.name} {model.sha256[:8]}\n")
    print(markdown_table(table))
    print(*said, sep="\n")
    timed = [take for takes in data.held_out for take in takes if take.phones]
    if timed:
        print(f"{len(timed)} clips with phone times: {recognised(peer, timed, documented)}.")


def main() -> int:
    parser = argparse.ArgumentParser(description="HeadAudio beside the embedded model")
    parser.add_argument("--headaudio", required=True, type=Path, metavar="NODE_FOLDER")
    parser.add_argument("--bundle", default="default", help='bundle folder (default: "default")')
    parser.add_argument("config", metavar="CONFIG", help="its held-out takes are played")
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="folder of takes to add")
    arguments = parser.parse_args()
    try:
        compare(HeadAudio(arguments.headaudio), arguments)
    except (FileNotFoundError, ValueError) as error:
        print(f"peer_headaudio: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
