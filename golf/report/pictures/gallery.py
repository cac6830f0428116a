"""The pictures by name, each drawn from a workspace or from a folder of logs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from golf.desk.analysis import associations
from golf.desk.analysis.runs import PastRun, past_runs
from golf.errors import BadConfig, GolfError, NotFound
from golf.report.pictures import budget, scores, seeds, settings, sizes, techniques
from golf.report.pictures.picture import Picture
from golf.workspace import Workspace

NAMES = (scores.NAME, sizes.NAME, budget.NAME, techniques.NAME, seeds.NAME, settings.NAME)
OF_A_WORKSPACE = (budget.NAME, techniques.NAME)
"""What a folder of logs does not tell."""


def draw(
    name: str,
    folder: Path,
    workspace: Workspace | None,
    *,
    place: Path | None = None,
    tier: str | None = None,
    last: int | None = None,
) -> Picture:
    """Draw one picture as `folder/<name>.png`.

    Args:
        name: one of `NAMES`.
        folder: where it goes.
        workspace: whose runs, money and search; None outside of one.
        place: a folder of folders of logs, or another workspace, instead.
        tier: of which runs; default the newest scored run's. The budget and the techniques are those of all.
        last: only so many of the newest runs.

    Raises:
        BadConfig: there is no such picture.
        NotFound: it needs a workspace, or there is no run of that tier.
        UnreadableInput: there is nothing to show yet.
    """
    if name not in NAMES:
        raise BadConfig(f"no picture {name[:60]!r}; there are {', '.join(NAMES)}, or all")
    path = folder / f"{name}.png"
    if name in OF_A_WORKSPACE:
        shown = Workspace(place) if place is not None and (place / "golf.toml").is_file() else workspace
        if shown is None or (place is not None and shown is workspace):
            raise NotFound(f"the picture {name} is of a workspace; a folder of logs does not tell it")
        return _of_workspace(name, path, shown)
    every = past_runs(workspace, place)
    if name == settings.NAME:
        source = place.name if place is not None else "results.tsv"
        return settings.draw(path, associations.of_runs(every, last=last or len(every) or 1, tier=tier, source=source))
    runs, rung = _of_tier(every, tier)
    runs = runs[-last:] if last else runs
    if name == seeds.NAME:
        return seeds.draw(path, runs)
    if name == sizes.NAME:
        return sizes.draw(path, runs, workspace.challenge.artifact_bytes_max if workspace else None, rung)
    return scores.draw(path, runs, _references(workspace, rung, place), rung)


def draw_all(
    folder: Path,
    workspace: Workspace | None,
    *,
    place: Path | None = None,
    tier: str | None = None,
    last: int | None = None,
) -> tuple[list[Picture], list[str]]:
    """Every picture that has something to show, and of each other one why not.

    Raises:
        UnreadableInput: none has; the message is the first one's.
    """  # fmt: skip
    drawn: list[Picture] = []
    problems: list[GolfError] = []
    for name in NAMES:
        try:
            drawn.append(draw(name, folder, workspace, place=place, tier=tier, last=last))
        except GolfError as error:
            problems.append(error)
    if not drawn:
        raise problems[0]
    return drawn, [str(problem) for problem in problems]


def _of_workspace(name: str, path: Path, workspace: Workspace) -> Picture:
    from golf.desk.analysis.burn import burn
    from golf.research import frontier, outlook

    if name == budget.NAME:
        limits = workspace.config.budget
        return budget.draw(path, burn(workspace), limits.total_usd, limits.reserve_usd)
    return techniques.draw(path, frontier.coverage(outlook.tried(workspace)))


def _of_tier(every: Sequence[PastRun], tier: str | None) -> tuple[list[PastRun], str]:
    if tier == associations.ALL_TIERS:
        return list(every), "all tiers"
    rung = tier
    if rung is None:
        rung = next((run.tier for run in reversed(every) if run.val_bpb is not None), "")
    elif every and rung not in (tiers := sorted({run.tier for run in every if run.tier})):
        raise NotFound(f"no run of tier {rung!r}; there are: {', '.join(tiers) or 'runs without a tier'}, or all")
    return [run for run in every if run.tier == rung], rung


def _references(workspace: Workspace | None, rung: str, place: Path | None) -> Mapping[str, float]:
    """The challenge's baseline and the credible record, where a run can be held against them: on a paid tier."""
    from golf.research import leaderboard

    if workspace is None or place is not None:
        return {}
    tier = workspace.config.tiers.get(rung)
    if tier is None or not tier.hourly_rate_usd:
        return {}
    found = {} if workspace.challenge.baseline_bpb is None else {"naive baseline": workspace.challenge.baseline_bpb}
    leaders = leaderboard.leaderboard(workspace).leaders
    return {**found, **({"credible record": leaders[0].val_bpb} if leaders else {})}
