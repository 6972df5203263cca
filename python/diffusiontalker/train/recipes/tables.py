"""The paper's tables: what each shows, and the rows that it takes. Nothing here needs torch.

Rows are samplers: a run (a variant of the given configuration), the stage of it after which the
talker is taken, and the steps in which it is sampled. rows.py trains and measures them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..config import Config, Stage, check

FROM_SCRATCH = (256, 128, 64, 32, 16, 8)
#: What a row's numbers are measured as, and how the keys of all but the first begin.
PARTS = {
    "scores": (),
    "diversity": ("seed_spread",),
    "identity": ("identity", "decided"),
    "time": ("itf",),
}


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    label: str
    variant: str  # the run's folder
    config: Config  # of the run
    stage: int  # the talker as this stage leaves it ...
    steps: int  # ... sampled in so many steps

    @property
    def key(self) -> str:
        return f"{self.variant}-{self.stage}-{self.steps}"

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that the row's talker has gone through."""
        return self.config.stages[: self.stage + 1]


@dataclass(frozen=True)
class TableKind:
    """What a table shows, and what the paper published in its place."""

    title: str
    columns: dict[str, str]  # heading -> key of a row's numbers
    note: str
    published: tuple[tuple[str, ...], ...]  # header and rows

    @property
    def parts(self) -> list[str]:
        """Those of `PARTS` that the columns come from."""

        def shown(beginnings: tuple[str, ...]) -> bool:
            return any(key.startswith(beginnings) for key in self.columns.values())

        return [name for name, begins in PARTS.items() if not begins or shown(begins)]


ERRORS = {"MBE": "mbe", "LBE": "lbe", "LBE, reference 12": "lbe_reference_12"}
TABLES: dict[int, TableKind] = {
    1: TableKind(
        "Metrics beside a deterministic regression and the respaced teacher",
        {
            **ERRORS,
            "LBE / mean face's": "lbe_ratio",
            "FDD": "fdd_signed",
            "FDD, absolute": "fdd_absolute",
            "LVE": "lve",
            "r jawOpen": "r_jawOpen_clip",
            "velocity error": "velocity_error_lips",
            "jerk ratio, lips": "jerk_ratio_lips",
            "spread, upper": "seed_spread_upper",
            "ITF, s": "itf_s",
            "of it the sampler": "itf_sampler_s",
        },
        "The regression is the same network with zeros in place of x_t, one step, trained for as "
        "many epochs as all stages together. Respaced: the teacher's own weights in fewer DDIM "
        "steps, not distilled.",
        (
            ("BEAT, V100", "MBE", "LBE", "FDD", "ITF, 1e-4 s a frame"),
            ("EmoTalk", "1.0537", "0.2628", "0.0751", "9.3"),
            ("FaceDiffuser, 1000 steps", "0.4332", "0.1071", "0.1786", "1000.9"),
            ("FaceDiffuser, 8 steps", "0.8372", "0.2115", "0.0589", "8.2"),
            ("DiffusionTalker, 8 steps", "0.4094", "0.0969", "0.1558", "7.1 (TensorRT: 3.9)"),
        ),
    ),
    2: TableKind(
        "Identity matching over held-out recordings",
        {
            "precision": "identity_precision",
            "recall": "identity_recall",
            "F1": "identity_f1",
            "accuracy": "identity_accuracy",
            "speakers": "identity_speakers",
            "decided, share": "decided_share",
            "after, s of speech": "decided_after_s_median",
            "worst": "decided_after_s_worst",
        },
        "The library holds the speakers of all sources; a recording counts as matched when its own "
        "speaker's row wins over every other.",
        (
            ("BEAT", "precision", "recall", "F1"),
            ("DiffusionTalker", "99.996 %", "99.986 %", "99.991 %"),
        ),
    ),
    4: TableKind(
        "Number of steps: trained from scratch, and distilled",
        {
            **ERRORS,
            "FDD, absolute": "fdd_absolute",
            "r jawOpen": "r_jawOpen_clip",
            "spread, upper": "seed_spread_upper",
            "ITF, s": "itf_s",
        },
        "From scratch: the teacher's settings at that number of steps; below 32 the schedule is "
        "taken out of that of 32. Distilled: each student starts from the one above it.",
        (
            ("BEAT", "LBE, from scratch", "LBE, distilled"),
            ("256", "0.1050", ""),
            ("128", "0.1059", ""),
            ("64", "0.1063", ""),
            ("32", "0.1053", ""),
            ("16", "0.1097", "0.0957"),
            ("8", "0.1177", "0.0969"),
        ),
    ),
    5: TableKind(
        "Ablation of losses, identity and distillation",
        {
            **ERRORS,
            "FDD, absolute": "fdd_absolute",
            "r jawOpen": "r_jawOpen_clip",
            "velocity error": "velocity_error_lips",
            "jerk ratio, lips": "jerk_ratio_lips",
        },
        "Each row trains every stage anew with that part left out. Without distillation: every "
        "stage at the last one's steps. Without identity: the decoder is not told who speaks, no "
        "L_con. Without start or rollout (not the paper's): nothing is asked of the sampler's "
        "first prediction, or of its later ones.",
        (
            ("BEAT, 8 steps", "MBE", "LBE"),
            ("without distillation", "0.4545", "0.1177"),
            ("without L_lip", "0.4222", "0.1037"),
            ("without L_vel", "0.4414", "0.1129"),
            ("without identity", "0.4306", "0.1034"),
            ("whole", "0.4094", "0.0969"),
        ),
    ),
}


def scaled(config: Config, factor: float) -> Config:
    """The configuration with every stage's epochs multiplied, at least one each."""
    stages = tuple(replace(s, epochs=max(1, round(s.epochs * factor))) for s in config.stages)
    return replace(config, stages=stages)


def plan(number: int, config: Config) -> list[Row]:
    """The rows of a table. Raises ConfigError where a variant could not be trained."""
    last = len(config.stages) - 1
    steps = config.sample_steps
    whole = Row(f"student, {steps} steps, distilled", "whole", config, last, steps)
    if number == 1:
        first = config.stages[0]
        epochs = sum(stage.epochs for stage in config.stages)
        alone = replace(first, steps=1, epochs=epochs, start=0.0, rollout=0.0, regression=True)
        regression = replace(config, stages=(alone,))
        rows = [
            Row("regression, same network", "regression", regression, 0, 1),
            Row(f"teacher, {first.steps} steps", "whole", config, 0, first.steps),
            Row(f"teacher, respaced to {steps} steps", "whole", config, 0, steps),
            whole,
        ]
    elif number == 2:
        rows = [whole]
    elif number == 4:
        rows = [from_scratch(config, count) for count in FROM_SCRATCH]
        longer = down_to_one(config)
        rows += [
            Row(f"{stage.steps}, distilled", "whole", longer, index, stage.steps)
            for index, stage in enumerate(longer.stages)
            if stage.steps < longer.stages[0].steps
            and (index + 1 == len(longer.stages) or longer.stages[index + 1].steps < stage.steps)
        ]
    else:
        losses = config.losses
        still = tuple(replace(stage, velocity=0.0) for stage in config.stages)
        stages = config.stages
        alike = tuple(replace(stage, steps=steps) for stage in stages)
        variants = {
            "distillation": replace(config, stages=alike),
            "L_lip": replace(config, losses=replace(losses, lips=0.0)),
            "L_vel": replace(config, losses=replace(losses, velocity=0.0), stages=still),
            "identity": replace(config, identity=False),
        }
        if any(stage.start for stage in stages):
            bare = tuple(replace(stage, start=0.0) for stage in stages)
            variants["start"] = replace(config, stages=bare)
        if any(stage.rollout for stage in stages):
            bare = tuple(replace(stage, rollout=0.0) for stage in stages)
            variants["rollout"] = replace(config, stages=bare)
        rows = [
            Row(f"without {name}", f"without_{name}", variant, last, steps)
            for name, variant in variants.items()
        ]
        rows.append(replace(whole, label="whole"))
    for row in rows:
        check(row.config, f"table {number}, {row.label}")
    return rows


def from_scratch(config: Config, steps: int) -> Row:
    """The teacher trained at another number of steps; the configuration's own where it fits."""
    label = f"{steps}, from scratch"
    if steps == config.stages[0].steps:
        return Row(label, "whole", config, 0, steps)
    alone = replace(
        config,
        train_steps=max(steps, config.train_steps),
        stages=(replace(config.stages[0], steps=steps),),
    )
    return Row(label, f"scratch_{steps}", alone, 0, steps)


def down_to_one(config: Config) -> Config:
    """The configuration with further halvings, like its last stage, until one step is left."""
    stages = list(config.stages)
    while stages[-1].steps > 1:
        half = stages[-1].steps // 2
        rollout = stages[-1].rollout if half > 1 else 0.0
        stages.append(replace(stages[-1], steps=half, rollout=rollout, average=1))
    return replace(config, stages=tuple(stages))
