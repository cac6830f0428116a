"""Whether changed experiments still work: smoke tested for real, and compared with a baseline file.

An experiment counts as changed when its config.yaml, its script or another file of its own differs from a commit.
Each is played in a throw-away copy of the repository, through the same door as every run, so that neither the
ledger nor the experiment's own result hears of it: a smoke test says that something works, not what it is worth.

On a smoke tier the tier's variables win over the experiment's, the other way round than in a run: a config that asks
for 3,000 steps would be no smoke test. What was overruled is reported, because it was not exercised.
"""

import contextlib
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from golf import durable
from golf.errors import BadConfig, GolfError, JobFailed, UnreadableInput
from golf.jobs.local import LocalJobs
from golf.play import baseline, experiments, start, worktree
from golf.play.baseline import Baseline, Expected, Metric
from golf.schema import Job, Noun, Result
from golf.workspace import CONFIG_NAME, Workspace

BASELINE = "configs/baseline.yaml"
"""Where a baseline file is looked for when none is named."""


class Check(Noun):
    """One metric against the baseline file, or against the challenge's limit."""

    metric: Metric
    value: float
    expected: float | None
    """None: held to the challenge's limit alone."""
    limit: float
    verdict: Literal["pass", "fail"]


class Smoke(Noun):
    """One changed experiment, played."""

    experiment: str
    changed: list[str]
    """Its files that differ."""
    verdict: Literal["pass", "regression", "not measured"]
    val_bpb: float | None
    artifact_bytes: int | None
    train_time_s: float | None
    checks: list[Check]
    overruled: dict[str, str]
    """Variables of the experiment that the tier replaced, so that they were not exercised: `3000 -> 20`."""
    is_compared: bool
    """Whether the baseline file has a number for it."""
    reason: str


class Evaluated(Noun):
    """What became of all changed experiments."""

    since: str
    """The commit they were compared with."""
    tier: str
    data: str | None
    baseline: str | None
    """The baseline file, relative to the workspace where it lies in it."""
    verdict: Literal["pass", "regression", "not measured"]
    experiments: list[Smoke]
    notes: list[str]
    summary: str


def evaluate(
    workspace: Workspace,
    *,
    since: str | None = None,
    baseline_file: Path | None = None,
    tier: str = "smoke",
    is_compared: bool = True,
    on_start: Callable[[str], None] = lambda name: None,
    on_poll: Callable[[Job], None] = lambda job: None,
) -> Evaluated:
    """Play every changed experiment on a free local tier and compare it.

    Args:
        workspace: Whose experiments; nothing in it is written.
        since: A commit, tag or branch; a branch counts from where this one left it. None is the commit before HEAD.
        baseline_file: What to compare with; None takes `configs/baseline.yaml` where there is one.
        tier: A tier of golf.toml.
        is_compared: False leaves the baseline file aside, to write a new one.
        on_start: Told each experiment's name before it is played.
        on_poll: Told its job now and then.

    Raises:
        BadConfig: no such commit or tier, or the baseline file is not one or is about another tier.
        NotFound: no such baseline file.
    """
    workspace.tier(tier)
    path = baseline_file if baseline_file is not None else workspace.root / BASELINE
    is_there = baseline_file is not None or path.exists()
    expected = baseline.read(path) if is_compared and is_there else None
    if expected is not None and expected.tier not in (None, tier):
        raise BadConfig(f"{path} holds numbers of tier {expected.tier}, and this is tier {tier}: tiers do not compare")
    commit = _commit(workspace, since)
    changed, notes = _changed(workspace, commit)
    played = []
    if changed:
        with _copy(workspace, changed) as copy:
            for name, files in changed.items():
                on_start(name)
                played.append(_smoke(workspace, copy, name, files, tier, expected, on_poll))
    measured = [smoke for smoke, _ in played]
    if changed and expected is None and is_compared:
        notes.append("no baseline file: held to the challenge's limits alone. golf ci --write-baseline makes one")
    elif lacking := [smoke.experiment for smoke in measured if not smoke.is_compared]:
        notes.append(f"not in the baseline file: {', '.join(lacking)}")
    return Evaluated(
        since=commit,
        tier=tier,
        data=next((result.data for _, result in played if result is not None), None),
        baseline=None if expected is None else _relative(workspace, path),
        verdict=_worst(measured),
        experiments=measured,
        notes=notes,
        summary=_in_words(measured, commit),
    )


def keep(path: Path, evaluated: Evaluated) -> None:
    """Make the numbers just measured the baseline file at `path`; what it says of other experiments stays.

    Times are left out: they are the machine's as much as the experiment's.

    Raises:
        UnreadableInput: something could not be measured, or nothing was played.
        BadConfig: the file there is no baseline file, or is about another tier or other data.
    """
    if evaluated.verdict == "not measured" or evaluated.data is None:
        raise UnreadableInput(f"no baseline was written to {path}: {evaluated.summary}")
    numbers: dict[str, dict[Metric, float | None]] = {
        smoke.experiment: {"val_bpb": smoke.val_bpb, "artifact_bytes": smoke.artifact_bytes}
        for smoke in evaluated.experiments
    }
    baseline.write(path, evaluated.tier, evaluated.data, numbers)


def _commit(workspace: Workspace, since: str | None) -> str:
    """The commit to compare with: where HEAD and `since` part."""
    worktree.toplevel(workspace.root)
    wanted = since if since is not None else "HEAD^"
    try:
        commit = worktree.git(
            workspace.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{wanted}^{{commit}}"
        )
    except UnreadableInput:
        why = "this repository has no second commit" if since is None else f"{wanted!r} is no commit here"
        raise BadConfig(
            f"{why}: name one with --since. In CI fetch the history first (actions/checkout with fetch-depth: 0)"
        ) from None
    with contextlib.suppress(UnreadableInput):  # unrelated histories: the commit itself
        return worktree.git(workspace.root, "merge-base", commit, "HEAD")
    return commit


def _changed(workspace: Workspace, commit: str) -> tuple[dict[str, list[str]], list[str]]:
    """Changed experiments with their changed files, and what else is worth saying."""
    inner = workspace.root.resolve().relative_to(worktree.toplevel(workspace.root).resolve())
    changed: dict[str, list[str]] = {}
    notes: list[str] = []
    for name in worktree.changed_since(workspace.root, commit):
        path = Path(name)
        if not path.is_relative_to(inner):
            continue
        match path.relative_to(inner).parts:
            case ("experiments", folder, file) if file not in (*experiments.WRITTEN, "review.json"):
                if (workspace.experiments / folder / experiments.CONFIG).is_file():
                    changed.setdefault(folder, []).append(file)
                else:
                    notes.append(f"{folder} has no {experiments.CONFIG} any more and was not played")
            case ("golf.toml",) | ("baselines", *_):
                notes.append(f"{path.relative_to(inner)} changed: only the changed experiments were played with it")
    return dict(sorted(changed.items())), list(dict.fromkeys(notes))


@contextlib.contextmanager
def _copy(workspace: Workspace, names: Mapping[str, Any]) -> Iterator[Workspace]:
    """A repository of its own with the workspace as it is now, on the same data; gone afterwards."""
    top = worktree.toplevel(workspace.root)
    ref = f"ci-{uuid.uuid4().hex[:12]}"
    folders = [workspace.experiments / name for name in names]
    commit, _ = worktree.snapshot(
        workspace.root,
        ref,
        always=[folder / experiments.CONFIG for folder in folders],
        without=[f"experiments/*/{name}/**" for name in experiments.EVIDENCE],
    )
    with tempfile.TemporaryDirectory(prefix="golf-ci-", ignore_cleanup_errors=True) as scratch:
        place = Path(scratch).resolve()
        try:
            worktree.git(place, "init", "--quiet")
            worktree.git(place, "fetch", "--quiet", "--depth=1", str(top), f"refs/golf/{ref}")
        finally:
            worktree.git(top, "update-ref", "-d", f"refs/golf/{ref}", commit)
        worktree.git(place, "checkout", "--quiet", "--detach", "FETCH_HEAD")
        copy = Workspace(place / workspace.root.resolve().relative_to(top.resolve()))
        _settle(workspace, copy)
        yield Workspace(copy.root)


def _settle(workspace: Workspace, copy: Workspace) -> None:
    """The copy's golf.toml, on the workspace's own data and interpreter; they are not in git."""
    import tomlkit

    path = copy.root / CONFIG_NAME
    document = tomlkit.parse((workspace.root / CONFIG_NAME).read_text(encoding="utf-8"))
    tables: dict[str, dict[str, str]] = {
        "data": {"path": str(workspace.data), "tokenizer": str(workspace.tokenizer)},
        "train": {"python": workspace.python},
    }
    for name, values in tables.items():
        if name not in document:
            document.add(name, tomlkit.table())
        for key, value in values.items():
            document[name][key] = value  # pyright: ignore[reportIndexIssue] # tomlkit types an item as any kind of item
    durable.replace(path, tomlkit.dumps(document))


def _smoke(
    workspace: Workspace,
    copy: Workspace,
    name: str,
    files: list[str],
    tier: str,
    held_to: Baseline | None,
    on_poll: Callable[[Job], None],
) -> tuple[Smoke, Result | None]:
    overruled: dict[str, str] = {}
    try:
        overruled = _shrink(workspace, copy, name, tier)
        result = _play(copy, name, on_poll)
        expected = held_to.of(name) if held_to is not None else {}
        if held_to is not None and expected and held_to.data not in (None, result.data):
            raise UnreadableInput(f"the baseline's numbers are of {held_to.data}, and it was scored on {result.data}")
        checks = _checks(workspace, result, expected)
    except GolfError as error:
        unmeasured = Smoke(
            experiment=name,
            changed=files,
            verdict="not measured",
            val_bpb=None,
            artifact_bytes=None,
            train_time_s=None,
            checks=[],
            overruled=overruled,
            is_compared=False,
            reason=str(error),
        )
        return unmeasured, None
    failed = [check for check in checks if check.verdict == "fail"]
    words = [f"{check.metric} {check.value:.10g} over {check.limit:.10g}" for check in failed]
    smoke = Smoke(
        experiment=name,
        changed=files,
        verdict="regression" if failed else "pass",
        val_bpb=result.val_bpb,
        artifact_bytes=result.artifact_bytes,
        train_time_s=result.train_time_s,
        checks=checks,
        overruled=overruled,
        is_compared=bool(expected),
        reason="; ".join(words) or ("within the baseline" if expected else "it runs, and was compared with nothing"),
    )
    return smoke, result


def _shrink(workspace: Workspace, copy: Workspace, name: str, tier: str) -> dict[str, str]:
    """Make the copy's experiment a first run on `tier`; returns the variables that the tier overruled."""
    folder = copy.experiments / name
    experiment = experiments.load(folder)
    small = workspace.tier(tier).env
    env = {**experiment.env, **small}
    for key, value in env.items():
        if key.endswith(("_PATH", "_DIR")) and (workspace.root / value).exists():
            env[key] = str(workspace.root / value)  # it may be one that git ignores
    changed = experiment.model_copy(update={"tier": tier, "env": env, "parent": None})
    durable.replace(folder / experiments.CONFIG, experiments.dump(changed))
    (folder / experiments.RESULT).unlink(missing_ok=True)
    copy.ledger.unlink(missing_ok=True)  # each is the first of its ledger: they are not each other's baseline
    return {
        key: f"{experiment.env[key]} -> {value}"
        for key, value in small.items()
        if experiment.env.get(key, value) != value
    }


def _play(copy: Workspace, name: str, on_poll: Callable[[Job], None]) -> Result:
    jobs = LocalJobs(copy)
    job = start.start_run(copy, name, foreground=True)
    try:
        ended = jobs.wait(job.id, None, on_poll)
    except BaseException:
        jobs.cancel(job.id)
        raise
    result = experiments.read_result(copy.experiments / name)
    if ended.state != "done" or result is None:
        said = ended.message if result is None else result.error or ended.message
        raise JobFailed(f"{ended.state}: {re.sub(' Log: .*', '', said or '', count=1)}")  # the log goes with the copy
    return result


def _checks(workspace: Workspace, result: Result, expected: Mapping[Metric, Expected]) -> list[Check]:
    """Each expected metric, and the size limit, which holds with and without a baseline file.

    Raises:
        UnreadableInput: a metric that is expected was not measured.
    """
    limits: dict[Metric, tuple[float | None, float]] = {
        "artifact_bytes": (None, float(workspace.challenge.artifact_bytes_max))
    }
    for metric, wanted in expected.items():
        ceiling = limits[metric][1] if metric in limits else wanted.limit
        limits[metric] = (wanted.value, min(wanted.limit, ceiling))
    checks = []
    for metric, (value, limit) in limits.items():
        measured = getattr(result, metric)
        if measured is None:
            raise UnreadableInput(f"the baseline file expects {metric}, and this run has none")
        verdict = "pass" if measured <= limit else "fail"
        checks.append(Check(metric=metric, value=measured, expected=value, limit=limit, verdict=verdict))
    return checks


def _worst(played: list[Smoke]) -> Literal["pass", "regression", "not measured"]:
    verdicts = {smoke.verdict for smoke in played}
    if "not measured" in verdicts:
        return "not measured"
    return "regression" if "regression" in verdicts else "pass"


def _in_words(played: list[Smoke], commit: str) -> str:
    if not played:
        return f"no experiment changed since {commit[:12]}"
    count = {word: sum(smoke.verdict == word for smoke in played) for word in ("pass", "regression", "not measured")}
    return (
        f"{len(played)} changed experiment{'s' * (len(played) > 1)} since {commit[:12]}: {count['pass']} passed, "
        f"{count['regression']} regressed, {count['not measured']} could not be measured"
    )


def _relative(workspace: Workspace, path: Path) -> str:
    full = path.resolve()
    root = workspace.root.resolve()
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else path.name
