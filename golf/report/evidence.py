"""What a finished run leaves for people: its report with the loss curve."""

from pathlib import Path

from golf.errors import NotFound
from golf.jobs import progress
from golf.measure import logs
from golf.play import experiments
from golf.report import page, plots
from golf.schema import Experiment, Result, SeedResult
from golf.workspace import Workspace

PICTURE = "loss.png"


def write_report(workspace: Workspace, folder: Path) -> Path:
    """report.md and its picture, from what is on disk; returns report.md.

    Raises:
        NotFound: the experiment has not been played to a score.
    """
    experiment, result = _played(folder)
    drawn = curves(folder, result)
    plots.loss_curve(
        folder / PICTURE,
        drawn,
        result.reference_bpb,
        title=folder.name,
        final={f"seed {seed.seed}": seed.val_bpb for seed in result.seeds},
    )
    return page.write_report(folder, experiment, result, PICTURE, drawn, data=result.data.split(" ")[0] or None)


def curves(folder: Path, result: Result) -> dict[str, list[tuple[float, float]]]:
    """Validation BPB over training seconds, by seed."""
    return {
        f"seed {seed.seed}": [
            (point["train_time_s"], point["val_bpb"])
            for point in _points(folder, seed)
            if {"train_time_s", "val_bpb"} <= point.keys()
        ]
        for seed in result.seeds
    }


def _points(folder: Path, seed: SeedResult) -> list[dict[str, float]]:
    """What the trainer wrote for whoever watches; of a trainer that does not, the step lines of its log."""
    points = progress.read_metrics(folder / "logs" / f"seed{seed.seed}.metrics.jsonl")
    return points or [point.model_dump(exclude_none=True) for point in logs.read_log(folder / seed.log).points]


def _played(folder: Path) -> tuple[Experiment, Result]:
    result = experiments.read_result(folder)
    if result is None or result.val_bpb is None:
        raise NotFound(f"{folder.name} has no score to report. Play it: golf run {folder.name}")
    return experiments.load(folder), result
