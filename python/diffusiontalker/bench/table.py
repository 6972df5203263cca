"""A report as Markdown tables, and as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import BenchError
from .measure import Report, Row

#: The paper's own speed (Chen et al. 2023, table 4: 8 steps, V100, TensorRT), seconds a frame.
PAPER_US = 390.0


def text(report: Report) -> str:
    """Every part of the report that has rows, under a title each."""
    m, clip = report.machine, report.clip
    parts = [
        f"{m['processor']}, {m['cores']} cores, measured on core {m['core']}, {m['system']}, "
        f"{m['date']}; {clip['name']}, {clip['seconds']:.2f} s"
    ]
    sections: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]]]] = (
        ("Time a frame", *_speed(report)),
        ("A step of 16 ms, another core busy", *_tails(report)),
        ("Voices a core, in real time", *_voices(report)),
        ("From nothing", *_starts(report)),
        ("Multiplications a second, one thread", *_peaks(report)),
        ("This many times as long as this build", *_ratios(report)),
        ("Frames", *_frames(report)),
    )
    for title, head, rows in sections:
        if rows:
            parts.append(f"## {title}\n\n{_markdown(head, rows)}")
    if report.notes:
        parts.append("\n".join(f"- {note}" for note in report.notes))
    return "\n\n".join(parts) + "\n"


Table = tuple[Sequence[str], list[list[str]]]


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(r[i]) for r in (head, *rows)) for i in range(len(head))]
    lines = [head, ["-" * w for w in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def _us(value: float) -> str:
    return f"{value:.0f} us" if value >= 100 else f"{value:.1f} us"


def _speed(report: Report) -> Table:
    head = [
        "build",
        "bundle",
        "steps",
        "kernel",
        "",
        "best",
        "median",
        "processor",
        "multiplications",
    ]
    rows = [
        [
            r["build"], r["bundle"], str(r["steps"]), r["kernel"], r["mode"], _us(r["minimum_us"]),
            _us(r["median_us"]), _us(r["cpu_us"]),
            f"{sum(r['multiplications'].values()) / 1e6:.2f} M a frame, "
            f"{r['multiplications_a_second'] / 1e9:.1f} G/s",
        ]
        for r in report.speed
    ]  # fmt: skip
    rows += [
        [f"{r['peer']} {r['version']}", "own bundle", "", "", r["mode"], _us(r["minimum_us"]),
         _us(r["median_us"]), _us(r["cpu_us"]), f"curves within {r['difference']:.1g}"]
        for r in report.peers
        if "minimum_us" in r
    ]  # fmt: skip
    for r in report.speed:
        if r["stages"]:
            shares = ", ".join(f"{stage} {100 * s:.0f} %" for stage, s in r["stages"].items())
            rows.append([r["build"], r["bundle"], str(r["steps"]), r["kernel"],
                         f"{r['mode']}: shares", "", "", "", shares])  # fmt: skip
    return head, rows


def _tails(report: Report) -> Table:
    return ["build", "bundle", "kernel", "p50", "p99", "longest", "frames"], [
        [r["build"], r["bundle"], r["kernel"], *(_us(r[f"{key}_us"]) for key in
         ("p50", "p99", "max")), f"{r['frames']}" + ("" if r["other_core_busy"] else ", alone")]
        for r in report.tails
    ]  # fmt: skip


def _voices(report: Report) -> Table:
    return ["build", "kernel", "at once", "by", "voices a core", "by processor time", "a frame"], [
        [r["build"], r["kernel"], str(r["at_once"]), r["by"], f"{r['voices_a_core']:.0f}",
         f"{r['cpu_voices_a_core']:.0f}",
         _us(r["us_a_frame"])]
        for r in report.voices
    ]  # fmt: skip


def _starts(report: Report) -> Table:
    head = ["build", "Runtime() ready", "median", "processor", "of that imports", "its memory",
            "memory of dt-stream --mic", "of that PortAudio"]  # fmt: skip
    return head, [
        [r["build"],
         *(f"{r[k]:.1f} ms" for k in ("minimum_ms", "median_ms", "cpu_ms", "imports_ms")),
         *(f"{r[key]:.1f} MB" for key in ("runtime_mb", "live_mb", "portaudio_mb"))]
        for r in report.starts
    ]  # fmt: skip


def _peaks(report: Report) -> Table:
    rows = []
    for r in report.peaks:
        rows.append([r["kernel"], "float32, NumPy's matrix product", f"{r['sgemm'] / 1e9:.1f} G"])
        for name, value in (r["core"] or {}).items():
            rows.append([r["kernel"], f"{name}, the core's own kernel", f"{value / 1e9:.1f} G"])
    return ["kernel", "", "peak"], rows


def _ratios(report: Report) -> Table:
    return ["", "what", "by the best", "by the median", "by processor time"], [
        [r["of"], r["what"], *(f"{r[key]:.2f} x" for key in ("minimum", "median", "cpu"))]
        for r in report.ratios
    ]


def _frames(report: Report) -> Table:
    def verdict(row: Row) -> str:
        if row["identical"]:
            return "identical, bit for bit"
        away = row["largest_difference"]
        return "of another number" if away is None else f"differ by {away:.2g} at most"

    return ["bundle", "frames of", "beside", "kernel", ""], [
        [r["bundle"], r["of"], r["against"], r["kernel"], verdict(r)] for r in report.frames
    ]


def plot(report: Report, path: Path) -> None:
    """Time a frame against sampling steps, with the paper's line. Raises BenchError."""
    try:
        import matplotlib

        matplotlib.use("agg")
        from matplotlib import pyplot
    except ImportError:
        raise BenchError("--plot: matplotlib is not installed: pip install matplotlib") from None
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    lines: dict[tuple[str, str, str], list[tuple[int, float]]] = {}
    for row in report.speed:
        key = (row["build"], row["mode"], row["kernel"])
        lines.setdefault(key, []).append((row["steps"], row["cpu_us"]))
    for key, points in lines.items():
        axes.plot(*zip(*sorted(points), strict=True), marker="o", label=", ".join(key))
    axes.axhline(PAPER_US, color="grey", linestyle="--", label="the paper: 8 steps on a V100")
    axes.set(xlabel="sampling steps", ylabel="microseconds of processor time a frame", yscale="log",
             title=f"{report.machine['processor']}, one core")  # fmt: skip
    axes.set_xticks(steps := sorted({s for points in lines.values() for s, _ in points}))
    axes.set_xticklabels([str(s) for s in steps])
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise BenchError(f"--plot {path}: {error}") from None
    finally:
        pyplot.close(figure)
