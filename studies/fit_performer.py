"""Question: how well does the rule-made performer move like measured faces, and does a fit of its
constants to them help?

    python studies/fit_performer.py GRID_FOLDER PHONE_FOLDER [--curve jawOpen | --reading]

GRID_FOLDER holds takes with measured curves and `words.json` (ID -> [word, start s, end s]),
PHONE_FOLDER takes with phone times. Phones of the words come from a small lexicon and are placed
by a linear reading of the embedded bundle's audio features that was taught on the phone-timed
takes. What is fitted, around the shipped values: targets and dominances of the phones, reach, edge
and delay of the articulator; with `--reading` how the mouth's curves are read off all of them
(train/data/mouth_reading.py). What is printed is for a person to judge: nothing is written.

Answer (2026-11-28, docs/training.md, "The rule-made performance"): on the solved faces the fit took
the gap's r from 0.767 to 0.856, the width's from 0.406 to 0.730 and the upper lip's from 0.219 to
0.697; it ships.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional

from diffusiontalker import _core, bundle
from diffusiontalker.curves import CURVES
from diffusiontalker.train import corpora
from diffusiontalker.train.corpora import Phone, Recording
from diffusiontalker.train.data import performer
from diffusiontalker.train.data.mouth_reading import PARTS, READING
from diffusiontalker.train.data.performer import ARTICULATORS, PHONES, REACH

FloatArray = NDArray[np.float64]

LEXICON = {
    word: phones.split()
    for word, phones in {
        "bin": "b ɪ n", "lay": "l e ɪ", "place": "p l e ɪ s", "set": "s ɛ t", "blue": "b l u",
        "green": "ɡ ɹ i n", "red": "ɹ ɛ d", "white": "w a ɪ t", "at": "æ t", "by": "b a ɪ",
        "in": "ɪ n", "with": "w ɪ ð", "zero": "z i ɹ o ʊ", "one": "w ʌ n", "two": "t u",
        "three": "θ ɹ i", "four": "f ɔ ɹ", "five": "f a ɪ v", "six": "s ɪ k s",
        "seven": "s ɛ v ə n", "eight": "e ɪ t", "nine": "n a ɪ n", "again": "ə ɡ ɛ n",
        "now": "n a ʊ", "please": "p l i z", "soon": "s u n", "a": "e ɪ", "b": "b i", "c": "s i",
        "d": "d i", "e": "i", "f": "ɛ f", "g": "d ʒ i", "h": "e ɪ t ʃ", "i": "a ɪ", "j": "d ʒ e ɪ",
        "k": "k e ɪ", "l": "ɛ l", "m": "ɛ m", "n": "ɛ n", "o": "o ʊ", "p": "p i", "q": "k j u",
        "r": "ɑ ɹ", "s": "ɛ s", "t": "t i", "u": "j u", "v": "v i", "x": "ɛ k s", "y": "w a ɪ",
        "z": "z ɛ d", "sil": "_", "sp": "_",
    }.items()
}  # fmt: skip

#: The curve that each articulator is fitted to; its reading off the others is not fitted then.
FITTED = {
    "jawOpen": "jaw",
    "mouthPucker": "pucker",
    "mouthFunnel": "funnel",
    "mouthStretchLeft": "spread",
    "mouthLowerDownLeft": "lower",
    "mouthUpperUpLeft": "upper",
}
HEARD = 0.35  # r from which a reading is stretched to the measured spread
STRETCHED = 1.7  # at most so much

HOP_S = 0.02  # of the alignment
HEARD_S = (-0.04, 0.0, 0.04, 0.08)  # where features are read, against the instant that is labelled
SLACK_S = 0.06  # how far a phone may lie outside its word
OUTSIDE = 50.0  # what it costs in log probability to lie further
HELD_OUT = 150  # clips
NEUTRAL = performer.Style(1.0, 1.0, 0.0, 0.0, 1.0, 15.0, 0.1, 0.010)


# --------------------------------------------------------------------------------------- alignment


class Aligner:
    """Phone scores of sound, and the best placing of known words' phones in it."""

    def __init__(self, takes: Sequence[Recording]) -> None:
        """Learns to tell phones by takes that have them."""
        embedded = bundle.read()
        model = _core.Model(
            embedded.core_config(), embedded.core_tensors(), embedded.identity_features()
        )
        self.encoder = _core.Encoder(model)
        spoken = {phone for word in LEXICON.values() for phone in word}
        self.symbols = sorted(spoken | {p.symbol for take in takes for p in take.phones} | {"_"})
        listened = track(takes, "phone-timed takes")
        heard, asked = zip(
            *((self.hear(take), self.labels(take)) for take in listened), strict=True
        )
        x = torch.from_numpy(np.concatenate(heard))
        y = torch.from_numpy(np.concatenate(asked))
        self.mean, self.std = x.mean(dim=0), x.std(dim=0) + 1e-3
        x = (x - self.mean) / self.std
        torch.manual_seed(0)
        self.reader = nn.Linear(x.shape[1], len(self.symbols))
        optimiser = torch.optim.Adam(self.reader.parameters(), 3e-3, weight_decay=1e-4)
        for _ in track(range(6), "phone reader"):
            for rows in torch.split(torch.randperm(len(x)), 1024):
                loss = functional.cross_entropy(self.reader(x[rows]), y[rows])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        prior = torch.bincount(y, minlength=len(self.symbols)).float() + 10.0
        self.prior = (prior / prior.sum()).log()
        with torch.no_grad():
            self.accuracy = float((self.reader(x).argmax(dim=1) == y).float().mean())

    def hear(self, take: Recording) -> NDArray[np.float32]:
        """(steps of HOP_S, features) around each instant."""
        self.encoder.reset()
        columns = self.encoder.push(_core.log_mel(take.audio, True)[0])
        at = np.arange(int(take.duration_s / HOP_S)) * HOP_S
        read = [np.round(100 * (at + shift)).astype(int) for shift in HEARD_S]
        return np.concatenate([columns[np.clip(i, 0, len(columns) - 1)] for i in read], axis=1)

    def labels(self, take: Recording) -> NDArray[np.int64]:
        at = np.arange(int(take.duration_s / HOP_S)) * HOP_S
        labels = np.full(len(at), self.symbols.index("_"))
        for phone in take.phones:
            inside = (at >= phone.start_s) & (at < phone.end_s)
            labels[inside] = self.symbols.index(phone.symbol)
        return labels

    def align(self, take: Recording, words: Sequence[tuple[str, float, float]]) -> list[Phone]:
        """The words' phones where they fit best (Viterbi), none left out, words in their places."""
        chain = [(p, start, end) for word, start, end in words for p in LEXICON[word]]
        with torch.no_grad():
            heard = (torch.from_numpy(self.hear(take)) - self.mean) / self.std
            likely = self.reader(heard).log_softmax(dim=1) - 0.5 * self.prior
        score = likely.numpy()[:, [self.symbols.index(symbol) for symbol, _, _ in chain]]
        at = np.arange(len(score))[:, None] * HOP_S
        start_s, end_s = (np.array([phone[i] for phone in chain]) for i in (1, 2))
        score = score - OUTSIDE * ((at < start_s - SLACK_S) | (at > end_s + SLACK_S))
        best = np.full(len(chain), -np.inf)
        best[0] = score[0, 0]
        came = np.zeros(score.shape, np.bool_)  # from the phone before
        for step in range(1, len(score)):
            before = np.concatenate([[-np.inf], best[:-1]])
            came[step] = before > best
            best = np.maximum(best, before) + score[step]
        place = np.zeros(len(score), int)
        place[-1] = len(chain) - 1
        for step in range(len(score) - 1, 0, -1):
            place[step - 1] = place[step] - came[step, place[step]]
        phones = []
        for index, (symbol, _, _) in enumerate(chain):
            (own,) = np.nonzero(place == index)
            phones.append(Phone(symbol, (own[0] - 0.5) * HOP_S, (own[-1] + 0.5) * HOP_S))
        return phones


# --------------------------------------------------------------------------------------------- fit


@dataclass(frozen=True)
class Clip:
    """One take as the fit sees it."""

    take: Recording
    phones: list[Phone]
    true: FloatArray  # (frames,) the measured curve
    factor: FloatArray  # (frames,) what the performer multiplies the articulator's blend by


def performed(clip_phones: list[Phone], take: Recording, curve: str) -> FloatArray:
    """(frames,) the performer's curve at the instants of the measured one."""
    assert take.times_s is not None
    made = performer.perform(
        clip_phones,
        int(60 * take.duration_s) + 1,
        style=NEUTRAL,
        seed=0,
        level_db=_core.log_mel(take.audio, True)[1],
    )
    return np.interp(take.times_s, np.arange(len(made)) / 60, made[:, CURVES.index(curve)])


def clip_of(take: Recording, phones: list[Phone], curve: str) -> Clip:
    """Loudness and closures are those of the shipped performance: they stay as they are."""
    assert take.curves is not None
    assert take.times_s is not None
    factor = np.ones(len(take.times_s))
    if FITTED[curve] == "jaw":
        level_db = _core.log_mel(take.audio, True)[1]
        factor = performer.loudness_factor(take.times_s, level_db, NEUTRAL.energy)
    elif curve.startswith(performer.LIPS_APART):
        factor = 1.0 - performer.contact(phones, performer.BILABIALS, take.times_s)
    true = take.curves[:, CURVES.index(curve)].astype(np.float64)
    return Clip(take, phones, true, factor)


def parts_of(clip: Clip) -> FloatArray:
    """(frames, parts) what a neutral performance reads its mouth off, in the order of PARTS."""
    assert clip.take.times_s is not None
    at_s = clip.take.times_s
    level_db = _core.log_mel(clip.take.audio, True)[1]
    blend = performer.dominance_blend(clip.phones, at_s)
    parts = {
        "one": np.ones(len(at_s)),
        "closed": performer.contact(clip.phones, performer.BILABIALS, at_s),
        "tucked": performer.contact(clip.phones, performer.LABIODENTALS, at_s),
        "silent": performer.contact(clip.phones, performer.SILENCES, at_s),
        **blend,
        "jaw": blend["jaw"] * performer.loudness_factor(at_s, level_db, NEUTRAL.energy),
    }
    return np.stack([parts[name] for name in PARTS], axis=1)


def print_reading(train: Sequence[Clip], held_out: Sequence[Clip]) -> None:
    """Least squares of every curve of READING on the parts, and how well it goes."""
    x = np.concatenate([parts_of(clip) for clip in train])
    seen = [parts_of(clip) for clip in held_out]
    ridge = np.diag([1e-6] + [2e-4] * (len(PARTS) - 1))
    print("| curve | r a clip | stretched by | " + " | ".join(PARTS) + " |")
    print("|---|---|---|" + "---|" * len(PARTS))
    for name in READING:
        sides = [i for i, c in enumerate(CURVES) if c in (name, name + "Left", name + "Right")]
        curve = [
            [
                clip.take.curves[:, sides].mean(axis=1)
                for clip in clips
                if clip.take.curves is not None
            ]
            for clips in (train, held_out)
        ]
        y = np.concatenate(curve[0])
        row = np.linalg.solve(x.T @ x / len(x) + ridge, x.T @ y / len(x))
        pairs = [(p @ row, t) for p, t in zip(seen, curve[1], strict=True) if t.std() > 1e-6]
        r = float(np.mean([np.corrcoef(p, t)[0, 1] for p, t in pairs]))
        read = np.concatenate([p for p, _ in pairs]).clip(0.0, 1.0).std()
        wanted = np.concatenate([t for _, t in pairs]).std() / max(read, 1e-9)
        factor = float(np.clip(wanted, 1.0, STRETCHED)) if r > HEARD else 1.0
        mean = x.mean(axis=0) @ row
        row = row * factor
        row[0] += mean - x.mean(axis=0) @ row
        print(f"| {name} | {r:.2f} | {factor:.2f} | " + " | ".join(f"{v:.3f}" for v in row) + " |")


def correlation(clips: Sequence[Clip], curve: str) -> tuple[float, float]:
    """Mean over clips of Pearson's r between performance and measurement, and of their error."""
    r, error = [], []
    for clip in clips:
        made = performed(clip.phones, clip.take, curve)
        if made.std() > 1e-6 and clip.true.std() > 1e-6:
            r.append(np.corrcoef(made, clip.true)[0, 1])
        error.append(np.abs(made - clip.true).mean())
    return float(np.mean(r)), float(np.mean(error))


@dataclass(frozen=True)
class Packed:
    """Clips as padded tensors: phones (clips, P), instants (clips, F)."""

    symbol: Tensor
    start_s: Tensor
    end_s: Tensor
    there: Tensor
    at_s: Tensor
    factor: Tensor
    true: Tensor
    inside: Tensor

    def rows(self, chosen: Tensor) -> Packed:
        return Packed(**{name: tensor[chosen] for name, tensor in vars(self).items()})


def pack(clips: Sequence[Clip]) -> Packed:
    symbols = list(PHONES)

    def padded(rows: list[FloatArray]) -> Tensor:
        longest = max(map(len, rows))
        whole = [np.pad(np.asarray(row, np.float64), (0, longest - len(row))) for row in rows]
        return torch.from_numpy(np.stack(whole)).float()

    def of_phones(values: list[list[float]]) -> Tensor:
        return padded([np.array(row) for row in values])

    return Packed(
        symbol=of_phones([[symbols.index(p.symbol) for p in c.phones] for c in clips]).long(),
        start_s=of_phones([[p.start_s for p in c.phones] for c in clips]),
        end_s=of_phones([[p.end_s for p in c.phones] for c in clips]),
        there=of_phones([[1.0] * len(c.phones) for c in clips]),
        at_s=padded([c.take.times_s for c in clips if c.take.times_s is not None]),
        factor=padded([c.factor for c in clips]),
        true=padded([c.true for c in clips]),
        inside=padded([np.ones(len(c.true)) for c in clips]),
    )


class Articulator(nn.Module):
    """One articulator's constants, and the performer's blend of them, differentiable."""

    def __init__(self, name: str) -> None:
        super().__init__()
        shipped = np.array([targets[ARTICULATORS.index(name)] for targets in PHONES.values()])
        reach = REACH[name]

        def free(values: object) -> nn.Parameter:
            return nn.Parameter(torch.as_tensor(values, dtype=torch.float32))

        self.target = free(shipped[:, 0])
        self.dominance = free(np.log(np.maximum(shipped[:, 1], 1e-6)))
        self.reach = free(np.log([reach.before_s, reach.after_s]))
        self.edge, self.delay_s = free(reach.edge), free(reach.delay_s)
        curve = next(curve for curve, own in FITTED.items() if own == name)
        row = READING[curve.removesuffix("Left")]
        # Of this face: units, not timing.
        self.gain, self.rest = free(row[PARTS.index(name)]), free(row[0])
        self.pulls = torch.from_numpy(shipped[:, 1] > 0)  # the others leave it to their neighbours
        self.shipped = {key: value.detach().clone() for key, value in self.named_parameters()}

    def blend(self, clips: Packed) -> Tensor:
        """(clips, F): what performer.dominance_blend gives."""
        edge_s = (self.edge * (clips.end_s - clips.start_s)).clamp(max=performer.LONGEST_EDGE_S)
        start_s = (clips.start_s + self.delay_s + edge_s)[:, None]
        end_s = (clips.end_s + self.delay_s - edge_s)[:, None]
        before_s, after_s = self.reach.exp()
        early = (start_s - clips.at_s[..., None]).clamp(min=0) / before_s
        late = (clips.at_s[..., None] - end_s).clamp(min=0) / after_s
        strength = (self.dominance.exp() * self.pulls)[clips.symbol] * clips.there
        near = (early <= 3.5) & (late <= 3.5)  # the performer looks no further
        weight = strength[:, None] * torch.exp(-0.5 * (early**2 + late**2)) * near
        total = (weight * self.target[clips.symbol][:, None]).sum(dim=-1)
        blended: Tensor = total / (weight.sum(dim=-1) + 1e-3)
        return blended

    def curve(self, clips: Packed) -> Tensor:
        return self.gain * clips.factor * self.blend(clips) + self.rest

    def strayed(self) -> Tensor:
        """How far the constants are from the shipped ones, squared, in steps that weigh alike."""
        now = dict(self.named_parameters())
        weights = {"target": 1.0, "dominance": 0.3, "reach": 1.0, "edge": 40.0, "delay_s": 1000.0}
        return torch.stack(
            [w * (now[key] - self.shipped[key]).square().sum() for key, w in weights.items()]
        ).sum()

    def install(self, name: str) -> None:
        """Put the constants into the performer of this process."""
        index = ARTICULATORS.index(name)
        target = self.target.tolist()
        dominance = (self.dominance.exp() * self.pulls).tolist()
        for row, symbol in enumerate(list(PHONES)):
            targets = list(PHONES[symbol])
            targets[index] = (target[row], dominance[row])
            a, b, c, d, e, f = targets
            PHONES[symbol] = (a, b, c, d, e, f)
        before_s, after_s = self.reach.exp().tolist()
        REACH[name] = replace(
            REACH[name],
            before_s=before_s,
            after_s=after_s,
            edge=self.edge.item(),
            delay_s=self.delay_s.item(),
        )


def agrees(model: Articulator, clips: Sequence[Clip], name: str) -> float:
    """Largest difference between this file's blend and the performer's, at the shipped values."""
    with torch.no_grad():
        blend = model.blend(pack(clips)).numpy()
    return max(
        float(np.abs(own[: len(clip.true)] - shipped).max())
        for own, clip in zip(blend, clips, strict=True)
        if clip.take.times_s is not None
        for shipped in [performer.dominance_blend(clip.phones, clip.take.times_s)[name]]
    )


def fit(model: Articulator, clips: Packed, steps: int, prior: float) -> None:
    torch.manual_seed(0)
    slow = [p for key, p in model.named_parameters() if key not in ("target", "dominance")]
    groups = [
        {"params": [model.target, model.dominance], "lr": 0.02},
        {"params": slow, "lr": 0.004},
    ]
    optimiser = torch.optim.Adam(groups)
    spread = clips.true[clips.inside > 0].std()
    for _ in track(range(steps), "fit"):
        some = clips.rows(torch.randint(0, len(clips.true), (96,)))
        wrong = ((model.curve(some) - some.true) / spread).square() * some.inside
        loss = wrong.sum() / some.inside.sum() + prior * model.strayed()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            model.target.clamp_(0.0, 1.3)
            model.edge.clamp_(0.0, 0.45)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("grid", type=Path, help="takes with measured curves, and words.json")
    parser.add_argument("phones", type=Path, help="takes with phone times")
    parser.add_argument("--curve", choices=list(FITTED), default="jawOpen")
    parser.add_argument(
        "--reading", action="store_true", help="print how curves are read off the articulators"
    )
    parser.add_argument("--steps", type=int, default=600, help="of the optimiser (default 600)")
    parser.add_argument("--prior", type=float, default=0.003, help="weight of the shipped values")
    parser.add_argument("--clips", type=int, help="at most so many clips to fit to")
    arguments = parser.parse_args()
    words = json.loads((arguments.grid / "words.json").read_text(encoding="utf-8"))
    grid = corpora.load(arguments.grid, kind="beat", sync="report", hold_out=HELD_OUT)
    aligner = Aligner(corpora.load(arguments.phones, kind="phones").train)
    print(f"phone reader: {aligner.accuracy:.2f} of the instants right, where it learnt")

    def prepare(takes: Sequence[Recording], what: str) -> list[Clip]:
        known = [take for take in takes if take.id in words]
        aligned = ((take, aligner.align(take, words[take.id])) for take in track(known, what))
        return [clip_of(take, phones, arguments.curve) for take, phones in aligned]

    train = prepare(grid.train[: arguments.clips], "clips to fit to")
    held_out = prepare(grid.held_out, "clips held out")
    if arguments.reading:
        print_reading(train, held_out)
        return
    name = FITTED[arguments.curve]
    model = Articulator(name)
    if (off := agrees(model, held_out[:20], name)) > 0.01:
        raise SystemExit(f"this file's blend is {off:.3f} off performer.dominance_blend: mend it")
    before, error_before = correlation(held_out, arguments.curve)
    reach_before = REACH[name]
    fit(model, pack(train), arguments.steps, arguments.prior)
    model.install(name)
    after, error_after = correlation(held_out, arguments.curve)

    print(f"{arguments.curve}, {len(held_out)} held-out clips, {len(train)} to fit to")
    print(f"shipped: r {before:.3f} a clip, mean error {error_before:.4f}, {reach_before}")
    print(f"fitted:  r {after:.3f} a clip, mean error {error_after:.4f}, {REACH[name]}")
    print(
        f"a target of 1 is {float(model.gain):.2f} in this face, its rest {float(model.rest):.3f}"
    )
    seen = Counter(phone.symbol for clip in train for phone in clip.phones)
    print("| phone | times | target | fitted | dominance | fitted |")
    print("|---|---|---|---|---|---|")
    for row, symbol in enumerate(PHONES):
        if seen[symbol]:
            shipped = [model.shipped["target"][row], model.shipped["dominance"][row].exp()]
            now = PHONES[symbol][ARTICULATORS.index(name)]
            cells = [
                f"{float(value):.2f}" for pair in zip(shipped, now, strict=True) for value in pair
            ]
            print(f"| {symbol} | {seen[symbol]} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
