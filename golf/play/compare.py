"""Two experiments or submissions compared by their seeds: what was run, what was left out, how often one has looked."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from golf.errors import NotFound, UnreadableInput
from golf.measure.comparison import SAME_TOKENIZER, Sample, compare
from golf.play import experiments, ledger_index
from golf.referee.case import Case, open_case
from golf.referee.claimed import claimed_bpb
from golf.rulings import Comparison
from golf.schema import Result
from golf.workspace import Workspace

SAME_BPB = 5e-6
"""Two spellings of one score differ by less."""

FINEWEB = "fineweb"
"""What the folder of the challenge's text is called; a submission's score is on no other."""

FLATTERY_BPB = 1e-4
"""A headline this much below the mean of its seeds is the best of them, and no rounding."""


def compare_runs(
    workspace: Workspace | None, a: str, b: str, *, looks: int | None = None, is_speed_up: bool = False
) -> Comparison:
    """Whether the run `a` scores lower than the run `b`.

    Args:
        workspace: Where experiments are looked for; without one both sides are submissions.
        a: An experiment, or a submission's folder.
        b: What it is held against.
        looks: Ideas that `a` was picked from. None counts the scored runs of the tier since `b`, for experiments, and
            otherwise is one.
        is_speed_up: A change of systems alone, for which the written bar is waived.

    Raises:
        NotFound: a side is neither.
        UnreadableInput: a side has no score, or the two were not scored on the same data and tier, as far as that is
            known.
    """
    results = [_result(workspace, name) for name in (a, b)]
    samples = [
        _of_submission(Path(name)) if result is None or workspace is None else _of_experiment(workspace, result)
        for name, result in zip((a, b), results, strict=True)
    ]
    ours, theirs = results
    if workspace is not None and ours is not None and theirs is not None:
        if (ours.tier, ours.data) != (theirs.tier, theirs.data):
            raise UnreadableInput(
                f"{ours.experiment} was scored on tier {ours.tier} and data {ours.data}, {theirs.experiment} on "
                f"{theirs.tier} and {theirs.data}: such scores do not compare. Play one of them on the other's tier"
            )
        looks = looks or _looks(workspace, theirs)
    elif (played := ours or theirs) is not None:
        samples = _on_one_text(played, *samples)
    return compare(*samples, looks=looks or 1, is_speed_up=is_speed_up)


def _on_one_text(played: Result, a: Sample, b: Sample) -> list[Sample]:
    """An experiment beside a submission, which was scored on FineWeb.

    Raises:
        UnreadableInput: nothing says that the experiment was, too.
    """
    if played.data.startswith(FINEWEB):
        return [a, b]
    rates = [side.tokens_per_byte for side in (a, b)]
    if None in rates or not math.isclose(rates[0] or 0, rates[1] or 0, rel_tol=SAME_TOKENIZER):
        spoken = " and ".join("unknown" if rate is None else f"{rate:.4f}" for rate in rates)
        raise UnreadableInput(
            f"{played.experiment} was scored on {played.data or 'data unknown'}, the submission on FineWeb (tokens per "
            f"byte: {spoken}): bits per byte of different texts do not compare. Play the experiment on FineWeb: golf "
            "data fineweb"
        )
    said = f"its data, {played.data}, is taken for the submission's text: tokens per byte are the same"
    return [
        replace(side, warnings=(*side.warnings, said)) if side.name == played.experiment else side for side in (a, b)
    ]


def _result(workspace: Workspace | None, name: str) -> Result | None:
    """The result of an experiment; None when `name` is a folder that is none.

    Raises:
        NotFound: it is neither.
        UnreadableInput: the experiment has no score.
    """
    if workspace is not None and experiments.exists(workspace, name):
        folder = experiments.find(workspace, name)
        result = experiments.read_result(folder)
        if result is None or result.val_bpb is None:
            state = "crashed" if result else "has not been played"
            raise UnreadableInput(f"{folder.name} {state}, so it has no score to compare: golf run {folder.name}")
        return result
    if not Path(name).is_dir():
        raise NotFound(f"{name} is neither an experiment nor a submission's folder. See experiments: golf history")
    return None


def _of_experiment(workspace: Workspace, result: Result) -> Sample:
    folder = workspace.experiments / result.experiment
    return Sample(
        name=result.experiment,
        scores=tuple(seed.val_bpb for seed in result.seeds),
        seeds=tuple(seed.seed for seed in result.seeds),
        losses=tuple(seed.val_loss for seed in result.seeds),
        warnings=(*_left_out_runs(folder, result), *_unlike_parent(workspace, folder, result)),
    )


def _left_out_runs(folder: Path, result: Result) -> list[str]:
    """Scores of earlier runs of the experiment that its result no longer shows."""
    counted = {(seed.seed, seed.val_bpb) for seed in result.seeds}
    dropped = []
    for place in sorted((folder / "earlier").glob("*")):
        earlier = experiments.read_result(place)
        if earlier is not None and (earlier.tier, earlier.data) == (result.tier, result.data):
            dropped += [seed for seed in earlier.seeds if (seed.seed, seed.val_bpb) not in counted]
    return _left_out([f"seed {seed.seed}: {seed.val_bpb:.5f}" for seed in dropped], "earlier runs")


def _unlike_parent(workspace: Workspace, folder: Path, result: Result) -> list[str]:
    parent = experiments.load(folder).parent
    theirs = experiments.read_result(workspace.experiments / parent) if parent else None
    seeds = [seed.seed for seed in result.seeds]
    if theirs is None or {seed.seed for seed in theirs.seeds} >= set(seeds):
        return []
    return [f"ran seeds {seeds}, its parent {parent} {[seed.seed for seed in theirs.seeds]}"]


def _of_submission(folder: Path) -> Sample:
    case = open_case(folder)
    counted = [(seed.seed, seed.val_bpb, seed.val_loss) for seed in case.submission.seeds if seed.val_bpb is not None]
    if not counted:
        raise UnreadableInput(
            f"{case.submission.folder}: no log of it states a final score; compare needs one per seed"
        )
    scores = tuple(score for _, score, _ in counted)
    seeds = tuple(seed for seed, _, _ in counted if seed is not None)
    losses = tuple(loss for _, _, loss in counted if loss is not None)
    return Sample(
        name=case.submission.folder,
        scores=scores,
        seeds=seeds if len(seeds) == len(scores) else (),
        losses=losses if len(losses) == len(scores) else (),
        warnings=(*_flattery(case, scores), *_left_out_logs(case, scores)),
    )


def _flattery(case: Case, scores: Sequence[float]) -> list[str]:
    claim = claimed_bpb(case)
    mean = sum(scores) / len(scores)
    if claim is None or claim[0] > mean - FLATTERY_BPB or claim[0] < min(scores) - FLATTERY_BPB:
        return []
    return [f"claims {claim[0]:.4f}, the best of its {len(scores)} seeds, whose mean is {mean:.4f}"]


def _left_out_logs(case: Case, scores: Sequence[float]) -> list[str]:
    others = [
        f"seed {log.seed}: {log.final_bpb:.5f}"
        for log in case.logs
        if log.final_bpb is not None and all(abs(log.final_bpb - score) > SAME_BPB for score in scores)
    ]
    return _left_out(others, "its logs")


def _left_out(scores: Sequence[str], where: str) -> list[str]:
    if not scores:
        return []
    more = f" and {len(scores) - 3} more" if len(scores) > 3 else ""
    many = "1 score" if len(scores) == 1 else f"{len(scores)} scores"
    return [f"{many} in {where} do{'es' * (len(scores) == 1)} not count ({', '.join(scores[:3])}{more})"]


def _looks(workspace: Workspace, theirs: Result) -> int:
    """Scored runs of the tier since the other side's: each was a chance to beat it."""
    looks = 0
    with ledger_index.opened(workspace) as index:
        for row in index.newest_first():
            if row.commit == theirs.commit[:12]:
                return max(1, looks)
            looks += row.tier == theirs.tier and row.val_bpb is not None
    return 1
