"""Which identity speaks, as nodes: what cpp/src/features/identity.cpp does, for all voices at once.

Numbers of rows are kept plus one, so that zeros are a voice's start: no row, no challenger.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from ..bundle import Bundle
from .nodes import Graph, Port

_WINDOW_S = 10.0
_FIRST_DECISION_S = 0.75  # of voiced audio
_DECISION_S = 0.25  # of voiced audio, between two decisions
_SLEW_S = 0.5
_MARGIN = 0.05  # in cosine, twice in a row, to take over


def identity_states(bundle: Bundle) -> list[Port]:
    """What the matching remembers; zeros at a voice's start."""
    channels = int(bundle.manifest["encoder"]["channels"])
    sizes = {
        "voiced_frames": 1,  # kept small once only their place between decisions counts
        "mean": channels,
        "scores": len(bundle.identities),  # cosines at the latest decision
        "row": 1,  # the current one, plus one
        "challenger": 1,  # beat the current one at the latest decision; plus one
        "slew_left": 1,  # frames
        "slew_from": channels,
        "identity": channels,  # the features that go on
    }
    return [Port(name, ("streams", 1, size)) for name, size in sizes.items()]


class Identity:
    """The nodes of a frame, with the outputs of the state.

    Inputs of the graph that are read, (streams, 1, 1) each: `frame`, `voiced` and `follow` are 1 or
    0, `first` is the row that a voice begins with.
    """

    def __init__(self, g: Graph, bundle: Bundle) -> None:
        self._g, self._bundle = g, bundle
        self._rows = len(bundle.identities)
        self._number = g.constant(np.arange(self._rows, dtype=np.float32))

    def _frames(self, seconds: float) -> int:
        return max(1, int(np.floor(seconds * float(self._bundle.frame_rate) + 0.5)))

    def _either(self, condition: str, first: str, second: str) -> str:
        return self._g.node("Where", condition, first, second)

    def _is(self, flag: str) -> str:
        return self._g.binary("Greater", flag, 0.5)

    def _all(self, *conditions: str) -> str:
        every = conditions[0]
        for condition in conditions[1:]:
            every = self._g.node("And", every, condition)
        return every

    def features(self, audio: str) -> str:
        """audio (streams, 1, channels) of a frame -> the identity features to go on with it."""
        g = self._g
        begun = self._is("row")
        row = self._either(begun, g.binary("Sub", "row", 1), "first")
        feature = self._either(begun, "identity", self._feature_of(row))
        due, mean = self._pool(audio)
        scores = self._either(due, self._cosines(mean), "scores")
        row, taken = self._decide(due, row, scores)
        feature = self._slew(row, taken, feature)
        # Without a frame a voice has not even begun.
        g.output(self._either(self._is("frame"), g.binary("Add", row, 1), "row"), "next_row")
        g.output(scores, "next_scores")
        g.output(row, "identity_row")
        g.output(scores, "identity_scores")
        return feature

    def _feature_of(self, row: str) -> str:
        g = self._g
        index = g.cast(g.reshape(row, (-1, 1)), TensorProto.INT64)
        return g.node("Gather", g.constant(self._bundle.identity_features()), index, axis=0)

    def _pool(self, audio: str) -> tuple[str, str]:
        """Whether it is time to decide, and the mean: a plain one at first, which turns into an
        exponential window once that is the slower one."""
        g = self._g
        pooled = self._all(self._is("frame"), self._is("follow"), self._is("voiced"))
        count = g.node("Add", "voiced_frames", g.cast(pooled, TensorProto.FLOAT))
        first, every = self._frames(_FIRST_DECISION_S), self._frames(_DECISION_S)
        window_share = 1 / (float(self._bundle.frame_rate) * _WINDOW_S)
        share = g.node("Div", g.constant(np.float32(1)), g.binary("Max", count, 1))
        share = g.binary("Max", share, window_share)
        nearer = g.node("Mul", share, g.node("Sub", audio, "mean"))
        mean = self._either(pooled, g.node("Add", "mean", nearer), "mean")
        g.output(mean, "next_mean")

        since = g.binary("Sub", count, first)
        rest = g.node("Sub", since, g.binary("Mul", self._whole(since, every), every))
        due = self._all(
            pooled, g.binary("Greater", since, -0.5), g.binary("Less", g.node("Abs", rest), 0.5)
        )
        # Beyond the window nothing depends on the count but its place between two decisions.
        limit = first + every * int(np.ceil(_WINDOW_S / _DECISION_S) + 1)
        beyond = g.binary("Max", g.binary("Sub", count, limit), 0)
        small = g.node("Sub", count, g.binary("Mul", self._whole(beyond, every), every))
        g.output(small, "next_voiced_frames")
        return due, mean

    def _whole(self, x: str, every: int) -> str:
        """floor(x / every) of whole numbers, whatever the rounding of the quotient."""
        g = self._g
        return g.node("Floor", g.binary("Mul", g.binary("Add", x, 0.5), 1 / every))

    def _cosines(self, mean: str) -> str:
        """(streams, 1, rows): of the centred mean with what each row is compared with."""
        g = self._g
        keys = self._bundle.identity_keys().astype(np.float64)
        length = np.linalg.norm(keys, axis=1, keepdims=True)
        keys = np.divide(keys, length, out=np.zeros_like(keys), where=length > 0)
        centred = g.node("Sub", mean, g.constant(self._bundle.tensors["identity.pooled_mean"]))
        product = g.node("MatMul", centred, g.constant(keys.T.astype(np.float32)))
        square = g.node("Mul", centred, centred)
        norm = g.node("Sqrt", g.reduce("ReduceSum", square, 2))
        # A mean without a length has products of zero as well.
        return g.node("Div", product, g.binary("Max", norm, 1e-30))

    def _decide(self, due: str, row: str, scores: str) -> tuple[str, str]:
        """The current row after a decision, where one is due, and whether it is another."""
        g = self._g
        # A voice that is like nobody in the library belongs to the default: that row counts as
        # alike as `unknown_cosine`, whatever its own score.
        floor = np.full(self._rows, -2, np.float32)
        floor[self._bundle.default_identity] = self._bundle.unknown_cosine
        alike = g.node("Max", scores, g.constant(floor))
        most = g.reduce("ReduceMax", alike, 2)
        among = self._either(
            g.node("Equal", alike, most), self._number, g.constant(np.float32(self._rows))
        )
        best = g.reduce("ReduceMin", among, 2)  # the first of the best
        is_current = g.node("Equal", self._number, row)
        current = self._either(is_current, alike, g.constant(np.float32(0)))
        current = g.reduce("ReduceSum", current, 2)
        beaten = g.node("Greater", most, g.binary("Add", current, _MARGIN))
        again = g.node("Equal", g.binary("Add", best, 1), "challenger")
        taken = self._all(due, beaten, again)
        challenges = self._all(beaten, g.node("Not", again))
        challenger = g.node("Mul", g.cast(challenges, TensorProto.FLOAT), g.binary("Add", best, 1))
        g.output(self._either(due, challenger, "challenger"), "next_challenger")
        return self._either(taken, best, row), taken

    def _slew(self, row: str, taken: str, feature: str) -> str:
        """From the features that a change found to the row's own, frame by frame."""
        g, frames = self._g, self._frames(_SLEW_S)
        begin = self._either(taken, feature, "slew_from")
        left = self._either(taken, g.constant(np.float32(frames)), "slew_left")
        moving = self._all(self._is("frame"), g.binary("Greater", left, 0.5))
        left = self._either(moving, g.binary("Sub", left, 1), left)
        to = self._feature_of(row)
        share = g.binary("Div", g.node("Sub", g.constant(np.float32(frames)), left), frames)
        rest = g.node("Sub", g.constant(np.float32(1)), share)
        mixed = g.node("Add", g.node("Mul", rest, begin), g.node("Mul", share, to))
        mixed = self._either(g.binary("Less", left, 0.5), to, mixed)
        feature = self._either(moving, mixed, feature)
        g.output(begin, "next_slew_from")
        g.output(left, "next_slew_left")
        g.output(self._either(self._is("frame"), feature, "identity"), "next_identity")
        return feature
