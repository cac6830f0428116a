"""Submitting an experiment to a tier that costs money: through every gate, with the money set aside first.

The paid run is an experiment of its own, `<name>-<tier>`, whose parent is the one that earned it: the local
evidence stays where it is, and the pair shows how the tiers relate. It plays the commit that was scored and
reviewed, on the tier as it was when somebody decided to pay; what is edited afterwards changes nothing.
"""

import hashlib
import re
import sqlite3
from functools import partial
from pathlib import Path

from golf.errors import BadConfig, RuleBroken
from golf.jobs import payload
from golf.jobs.backend import RemoteSettings, open_backend, ready_backend, said
from golf.jobs.progress import Price
from golf.play import experiments, promotion, settlement, start, worktree
from golf.play.budget import BudgetBook
from golf.play.launch import launch
from golf.play.replay import Replay
from golf.schema import Experiment, Job, Promotion, SubmissionPlan
from golf.workspace import Workspace

NAME_CHARACTERS = 80
"""As `experiments.NAME` allows."""


def submit(workspace: Workspace, name: str, tier: str, *, again: bool = False, foreground: bool = False) -> Job:
    """Start a played experiment on a paid tier; returns its job. `again`: although it has a paid result there.

    Raises:
        RuleBroken: a gate is not passed; the message names each that is missing and what would pass it.
        BudgetRefused: the money is not there, or another run took it in between.
        BadConfig: the tier is free, has no price that can be computed, or its back-end cannot be asked from here; or
            the experiment is itself a paid run.
        UnreadableInput: the experiment has no score yet.
    """
    check(workspace, name, tier)
    folder = experiments.find(workspace, name)
    result = experiments.read_result(folder)
    assert result is not None  # check has read it
    claim = experiments.load(folder).model_copy(update={"tier": tier})
    paid = _paid(workspace, folder, claim)
    settings = workspace.tier(tier)
    price = settlement.price(tier, settings, len(claim.seeds))
    book = BudgetBook(workspace.database, workspace.config.budget)

    def pay(run_id: str, job_folder: Path) -> None:
        def once_more(connection: sqlite3.Connection) -> None:
            check(workspace, name, tier)
            start.plan_launches(workspace, connection, run_id, claim.seeds, tier, settings)

        price.write(job_folder)
        book.reserve(run_id, price.at_most_usd, tier, also=once_more)

    replay = Replay(commit=result.commit, experiment=folder.name, claim=claim, tier=settings)
    return start.start_run(workspace, paid.name, pay=pay, replay=replay, again=again, foreground=foreground)


def check(workspace: Workspace, name: str, tier: str) -> Promotion:
    """The gates of a paid run, all of them passed.

    Raises:
        GolfError: as `submit`.
    """
    settings = workspace.tier(tier)
    _price(workspace, name, tier)
    if settings.backend != "local":
        ready_backend(settings.backend, settings.options)
    found = promotion.check_promotion(workspace, name, tier)
    if not found.promoted:
        missing = [gate for gate in found.gates if gate.verdict == "fail"] or [
            gate for gate in found.gates if gate.verdict == "unknown"
        ]
        raise RuleBroken(
            f"{found.experiment} has not earned tier {tier!r}. Missing:\n"
            + "\n".join(f"- {gate.name}: {gate.reason}" for gate in missing)
        )
    return found


def plan(workspace: Workspace, name: str, tier: str) -> SubmissionPlan:
    """What `submit` would do, whether or not every gate is passed: a dry run.

    Raises:
        BadConfig: the tier is free, has no price that can be computed, or its back-end cannot be used.
        UnreadableInput: the experiment has no score yet.
    """
    settings = workspace.tier(tier)
    price = _price(workspace, name, tier)
    found = promotion.check_promotion(workspace, name, tier)
    folder = experiments.find(workspace, name)
    result, claim = experiments.read_result(folder), experiments.load(folder)
    assert result is not None  # check_promotion has read it
    env = experiments.settings(workspace, claim, settings)
    sizes = worktree.sizes(workspace.root, result.commit)
    one = {
        seed: launch(
            claim, settings, env, key=f"caddie-OWNER-RUN-s{seed}", owner="OWNER", tree=workspace.root,
            script=str(experiments.relative(workspace, folder.name) / claim.script), seed=seed,
            time_limit_s=settings.time_limit_s,
        )
        for seed in claim.seeds
    }  # fmt: skip
    is_here = settings.backend == "local"
    backend = None if is_here else open_backend(settings.backend, settings.options)
    there = RemoteSettings.model_validate(
        {key: value for key, value in settings.options.items() if key in RemoteSettings.model_fields}
    )
    return SubmissionPlan(
        experiment=folder.name,
        tier=tier,
        backend=settings.backend,
        command=list(one[claim.seeds[0]].command),
        seeds=claim.seeds,
        machines=1 if is_here else min(settings.parallel_seeds, len(claim.seeds)),
        commit=result.commit,
        files=len(sizes),
        files_bytes=sum(sizes.values()),
        largest=sorted(sizes, key=lambda path: -sizes[path])[:3],
        settings=env if backend is None else dict(payload.environment(one[claim.seeds[0]], there)),
        missing="" if backend is None else said(settings.backend, "what it lacks here", str, backend.lacks),
        time_limit_s=settings.time_limit_s,
        hourly_usd=round(price.usd_per_s * 3600, 6),
        at_most_usd=price.at_most_usd,
        asked=[]
        if backend is None
        else [said(settings.backend, "what it would ask", dict, partial(backend.plan, each)) for each in one.values()],
        promotion=found,
    )


def _price(workspace: Workspace, name: str, tier: str) -> Price:
    claim = experiments.load(experiments.find(workspace, name))
    its_tier = workspace.config.tiers.get(claim.tier)  # which golf.toml may have no more
    if claim.parent is not None and its_tier is not None and not settlement.is_free(its_tier):
        raise BadConfig(
            f"{name} is itself a run on tier {claim.tier!r}, which costs money. Submit what earned it: "
            f"golf submit {claim.parent} --tier {tier} --again"
        )
    price = settlement.price(tier, workspace.tier(tier), len(claim.seeds))
    if price.at_most_usd == 0:
        raise BadConfig(f"tier {tier!r} is free: it needs no submission. Play it: golf run (run_experiment)")
    return price


def _paid(workspace: Workspace, folder: Path, claim: Experiment) -> Path:
    """The folder the paid run leaves its evidence in, claimed once.

    Raises:
        RuleBroken: another claim lies under its name.
    """
    name = re.sub(r"[^a-z0-9_.-]", "-", f"{folder.name}-{claim.tier}".lower())
    if len(name) > NAME_CHARACTERS:
        name = f"{name[: NAME_CHARACTERS - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    wanted = claim.model_copy(update={"parent": folder.name})
    if not experiments.exists(workspace, name):
        experiments.create(workspace, name, wanted, folder / claim.script)
    paid = experiments.find(workspace, name)
    if experiments.load(paid).model_copy(update={"created_at": wanted.created_at}) != wanted:
        raise RuleBroken(f"{paid.name} is there and claims something else. Move that folder away, then submit again")
    return paid
