"""The page's controls, done between the frames of a session, and what it tells the page."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ... import Runtime
from ...bundle.bundle import default_path
from ...curves import GROUPS
from ...frames import Bye, Schema
from ...presets import Preset
from ...preview.link import Link
from ...preview.messages import Cast, Control, Gate, Mute, Record, Restart, Turn
from .. import StreamError
from ..outputs.fan_out import FanOut
from ..outputs.output import Output
from ..sources.source import Source
from .input_gate import InputGate
from .meter import Meter

_STATUS_EVERY_NS = 200_000_000
# What the gate may be set to, dBFS.
_GATE_RANGE_DB = (-90.0, 0.0)


class Remote:
    """One session's side of the page. `serve` is called by the session's loop."""

    def __init__(
        self,
        link: Link,
        runtime: Runtime,
        source: Source,
        outputs: FanOut,
        meter: Meter,
        *,
        identity: str,
        live: bool,
        open_take: Callable[[Preset], Output] | None = None,
    ) -> None:
        """`identity`: as it was asked for; `live`: the sound is a microphone's; `open_take` begins
        a take that is recorded.
        """
        #: Set once a user wants the stream from its start.
        self.restart: Restart | None = None
        self._link = link
        self._runtime = runtime
        self._source = source
        self._outputs = outputs
        self._meter = meter
        self._live = live
        self._open_take = open_take
        self._take: Output | None = None
        self._gate = InputGate(source.sample_rate)
        self._identity = identity
        self._schema: Schema | None = None
        self._status_due_ns = 0

    @property
    def preset(self) -> Preset:
        """What is in force."""
        runtime = self._runtime
        return Preset.of(
            runtime.settings, identity=self._identity, seed=runtime.seed, idle=runtime.idle
        )

    def hear(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the model hears of a block; on the source's thread."""
        return self._gate.push(block)

    def begin(self, schema: Schema) -> None:
        """The session begins."""
        self._schema = schema
        bundle = self._runtime.bundle
        tell_session(
            self._link,
            schema,
            source=self._source.name,
            live=self._live,
            duration_s=self._source.duration_s,
            steps=bundle.manifest["diffusion"]["sample_steps"],
            identities=self._runtime.identities,
            bundle=bundle_folder(bundle.path),
            bundles=known_bundles(bundle.path),
            can_record=self._open_take is not None,
        )
        self._tell_settings()

    def serve(self) -> None:
        """Does what users of the page did, and tells it what goes on when that is due."""
        for control in self._link.controls():
            try:
                self._do(control)
            except (ValueError, StreamError) as error:
                self._link.tell("refused", text=str(error))
            self._tell_settings()
        now_ns = time.monotonic_ns()
        if now_ns >= self._status_due_ns and self._link.pages:
            self._status_due_ns = now_ns + _STATUS_EVERY_NS
            self._tell_status(now_ns)

    def _do(self, control: Control) -> None:
        match control:
            case Turn():
                self._runtime.set(**vars(control))
            case Cast():
                self._runtime.recast(**vars(control))
                self._identity = control.identity or self._identity
            case Mute():
                self._gate.muted = control.on
            case Gate():
                level = control.level_db
                if level is not None and not _GATE_RANGE_DB[0] <= level <= _GATE_RANGE_DB[1]:
                    raise ValueError(f"gate: expected -90 to 0 dBFS, got {level:g}")
                self._gate.threshold_db = level
            case Record():
                self._record(control.on)
            case Restart():
                self.restart = control

    def _record(self, on: bool) -> None:
        if on and self._take is None and self._open_take is not None:
            take = self._open_take(self.preset)
            assert self._schema is not None
            take.announce(self._schema)
            self._outputs.add(take)
            self._take = take
        elif not on and self._take is not None:
            take, self._take = self._take, None
            if self._outputs.remove(take):
                # A disk may be slow to take the rest; frames do not wait for it.
                threading.Thread(target=self._complete, args=(take,)).start()

    def _complete(self, take: Output) -> None:
        assert self._schema is not None
        try:
            take.close(Bye(self._schema.subject, self._schema.session, 0, "recorded"))
            self._link.tell("note", text=f"take: {take.name}")
        except StreamError as error:
            self._link.tell("refused", text=str(error))

    def _tell_settings(self) -> None:
        self._link.tell(
            "settings",
            **vars(self.preset),
            muted=self._gate.muted,
            gate_db=self._gate.threshold_db,
            recording=self._take.name if self._take is not None else None,
        )

    def _tell_status(self, now_ns: int) -> None:
        figures = self._meter.read(now_ns)
        stats = self._runtime.stats
        lost = stats.dropped_samples + stats.dropped_frames + stats.skipped_frames
        lost += self._source.lost_blocks
        self._link.tell(
            "status",
            heard_s=round(stats.samples / self._source.sample_rate, 2),
            frames=figures.frames,
            rate_hz=round(figures.rate_hz, 2),
            latency_p50_ms=round(figures.latency_p50_ms, 1),
            latency_p99_ms=round(figures.latency_p99_ms, 1),
            level_db=round(stats.level_db, 1),
            identity=self._runtime.identity,
            subscribers=self._outputs.subscribers,
            lost=lost,
            not_taken=sum(count for _, count in self._outputs.dropped),
            notices=self._source.notices[-3:],
            pages=self._link.pages,
        )


def tell_session(link: Link, schema: Schema, **more: object) -> None:
    """Tells the page of a session that begins."""
    link.tell(
        "schema",
        subject=schema.subject,
        session=str(schema.session),  # a page's numbers are too short for it
        curves=schema.curves,
        groups={name: of for name, of in GROUPS.items() if set(of) <= set(schema.curves)},
        rate=schema.rate_num / schema.rate_den,
        audio_rate=schema.audio_rate,
        lookahead_ms=round(schema.lookahead_ms, 1),
        model=schema.model,
        model_version=schema.model_version,
        **more,
    )


def bundle_folder(path: Path | None) -> str:
    """How the page names a bundle: its folder, or "" for the embedded one."""
    if path is None or path.resolve() == default_path().resolve():
        return ""
    return str(path)


def known_bundles(path: Path | None) -> list[str]:
    """The embedded bundle, the one in use, and those that lie beside it."""
    found = {"", bundle_folder(path)}
    if bundle_folder(path) and path is not None:
        for manifest in sorted(path.resolve().parent.glob(f"*{os.sep}manifest.json"))[:50]:
            if (manifest.parent / "weights.safetensors").is_file():
                found.add(bundle_folder(manifest.parent))
    return sorted(found)
