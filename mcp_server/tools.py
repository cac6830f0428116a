"""One short function per tool: what is true of a tool is its signature, docstring and hints.

Defaults are stated in words because Codex strips them from schemas. Paths come from a model and
stay inside the workspace. What a `Noun` is that a tool answers with says the library it calls: what is
heavy (referee, gates, research) is imported when it is first asked for, as most sessions ask for little of it.
"""

import re
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

import anyio
from mcp.server.mcpserver import Context
from mcp_types import ToolAnnotations
from pydantic import Field

from golf.errors import BadConfig, RuleBroken
from golf.jobs.local import LocalJobs
from golf.measure import artifact
from golf.play import (
    change,
    experiments,
    notes,
    record,
    targets,
)
from golf.play import history as past
from golf.play.budget import BudgetBook
from golf.schema import Artifact, Budget, History, Job, Note, Noun, Promotion
from golf.workspace import Workspace
from mcp_server.brief import fewer

WAIT_S_MAX = 270.0
"""Codex gives a tool call 300 s."""

READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
FREE_WORK = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
PAID_WORK = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
"""Refused under `codex exec`, asked of a person in a session: money leaves the machine."""
NOTING = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
STOPPING = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

ExperimentName = Annotated[str, Field(description="Name or slug")]
JobId = Annotated[str, Field(description="Job id")]


def measure_artifact(
    path: Annotated[str, Field(description="Experiment, folder or file")],
    weights: Annotated[str | None, Field(description="If it has several")] = None,
) -> Artifact:
    """Measure artifact size: bytes of code and compressed model weights, those left under the 16 MB limit; does a
    submission fit, is it too big?
    """
    workspace = Workspace.find()
    place, challenge = targets.artifact(path, workspace=workspace)
    return artifact.measure_artifact(workspace.inside(place), challenge=challenge, weights=weights)


def evaluate_bpb(
    path: Annotated[str, Field(description="Experiment, folder or file")],
    stride: Annotated[int | None, Field(description="Tokens scored per window. Default: all", ge=1)] = None,
    seq_len: Annotated[int | None, Field(description="Window. Default: the script's", ge=1)] = None,
    max_tokens: Annotated[int | None, Field(description="Default: the whole split", ge=1)] = None,
) -> Job:
    """Evaluate (score) a checkpoint, saved weights or a quantized model: bpb, bits per byte, and val loss on FineWeb
    validation. A job.
    """
    from golf.play import start

    workspace = Workspace.find()
    place = path
    if not experiments.exists(workspace, path):
        place = str(workspace.inside(path))
    return start.start_evaluation(workspace, place, stride=stride, seq_len=seq_len, max_tokens=max_tokens)


def check_budget(
    cost_usd: Annotated[float | None, Field(description="Worst case. Default: one paid run", ge=0)] = None,
) -> Budget:
    """Check the budget: money left; dollars of credits spent, reserved, remaining; can we afford a paid run, when is
    the next one allowed.
    """
    workspace = Workspace.find()
    return BudgetBook(workspace.database, workspace.config.budget).state(cost_usd)


def run_experiment(
    experiment: ExperimentName,
    hypothesis: Annotated[str | None, Field(description="Creates it: what you expect, why")] = None,
    script: Annotated[str | None, Field(description="To copy. Default: the parent's")] = None,
    parent: Annotated[str | None, Field(description="What it changes")] = None,
    expected_outcome: Annotated[str, Field(description="In numbers")] = "",
    rollback_criteria: Annotated[str, Field(description="When to give up")] = "",
    env: Annotated[dict[str, str] | None, Field(description="Settings, over the parent's")] = None,
    seeds: Annotated[list[int] | None, Field(description="Default: the parent's, else 1337")] = None,
    tier: Annotated[str | None, Field(description="Default: the parent's, else local")] = None,
    again: Annotated[bool, Field(description="Repeat it; default false")] = False,
) -> Job:
    """Run an experiment: try an idea or change, free, on the local tier: train, quantize, evaluate against the
    baseline. Also smoke tests, more seeds. A job.
    """
    from golf.play import start
    from golf.research import recollection

    workspace = Workspace.find()
    folder = experiments.claimed(
        workspace,
        experiment,
        hypothesis=hypothesis,
        script=None if script is None else workspace.inside(script),
        parent=parent,
        expected_outcome=expected_outcome,
        rollback_criteria=rollback_criteria,
        env=env,
        seeds=seeds,
        tier=tier,
    )
    job = start.start_run(workspace, folder.name, again=again)
    said = recollection.warning(workspace, folder.name, hypothesis) if hypothesis else ""  # it was created just now
    return job.model_copy(update={"message": f"{said} {job.message}".strip()}) if said else job


def submit_job(
    experiment: ExperimentName,
    tier: Annotated[str, Field(description="Paid, in golf.toml")],
) -> Job:
    """Submit a job: launch the full run of an experiment on the paid tier, a rented cloud pod of 8xH100 GPUs. Spends
    real money, once every gate is passed.
    """
    from golf.play import submission

    return submission.submit(Workspace.find(), experiment, tier)


def job_status(id: JobId) -> Job:
    """Check the status of a running job or training: how it is going, progress, step, loss; alive, stuck, failed or
    crashed, and why.
    """
    return _settled(LocalJobs(Workspace.find()).get(id))


async def wait_for_job(
    id: JobId,
    timeout_s: Annotated[float, Field(description="At most. Default: 240", gt=0, le=WAIT_S_MAX)] = 240.0,
) -> Job:
    """Wait (block, sleep, keep polling) until a job is done or finished or time is up; tells its state and result."""
    deadline = time.monotonic() + timeout_s
    while True:  # asynchronous, so that a client that goes away ends the wait
        job = await anyio.to_thread.run_sync(job_status, id)
        left = deadline - time.monotonic()
        if job.ended_at is not None or left <= 0:
            return job
        await anyio.sleep(min(0.3, left))


def cancel_job(id: JobId) -> Job:
    """Cancel, stop, kill, abort or terminate a running job or training."""
    cancelled = LocalJobs(Workspace.find()).cancel(id)
    record.recover(Workspace.find())  # what a repetition had set aside comes back
    return cancelled


def check_promotion(experiment: ExperimentName) -> Promotion:
    """Check promotion: is an experiment good enough for paid H100 compute? Which gates still fail: gain over the
    baseline (significant or seed noise), size, review, budget.
    """
    from golf.play import promotion

    return promotion.check_promotion(Workspace.find(), experiment)


def review_submission(
    path: Annotated[str, Field(description="Experiment or submission folder")],
) -> Noun:
    """Review (audit) a submission or candidate: leaks of validation data, peeking at future tokens, cheating, anything
    illegal; the critic's facts on an experiment's diff against its parent.
    """
    from golf.play import excerpt, review
    from golf.referee import ruling

    workspace = Workspace.find()
    folder = targets.submission(path, workspace)
    if folder is None:
        return review.sheet(workspace, path)
    return excerpt.excerpt(workspace, ruling.review_submission(workspace.inside(folder)))


def compare_runs(
    a: Annotated[str, Field(description="Experiment or submission folder")],
    b: Annotated[str, Field(description="What a should beat")],
    looks: Annotated[int | None, Field(description="Ideas a was picked from", ge=1)] = None,
) -> Noun:
    """Compare two runs: is A better than B, or luck? Welch t-test p-value over seeds, bars for a record (SOTA), how
    many more seeds settle it.
    """
    from golf.play import compare

    workspace = Workspace.find()
    names = [name if experiments.exists(workspace, name) else str(workspace.inside(name)) for name in (a, b)]
    return compare.compare_runs(workspace, *names, looks=looks)


def triage_submissions(
    folder: Annotated[str, Field(description="Of submissions, or a Git clone")],
) -> Noun:
    """Triage many submissions or pull requests: check for rule violations, flag cheating, find copies, rank by credible
    score.
    """
    from golf.play import bulletin

    workspace = Workspace.find()
    return bulletin.post(workspace, workspace.inside(folder))


DIFF = "golf://diff/{experiment}"


def diff(experiment: str) -> str:
    """An experiment's whole change against its parent, for a critic whose shell is off."""
    workspace = Workspace.find()
    return change.change(workspace, experiments.find(workspace, experiment)).diff


def record_note(
    context: Context,
    kind: Annotated[Literal["finding", "question", "verdict"], Field(description="Verdict: critic's")],
    text: Annotated[str, Field(description="Or a verdict's reason")],
    experiment: Annotated[str | None, Field(description="About it")] = None,
    by: Annotated[str, Field(description="Role. Default: implementer")] = "implementer",
    verdict: Annotated[Literal["accept", "revise", "reject"] | None, Field(description="Critic's")] = None,
    diff_sha256: Annotated[str | None, Field(description="The sheet's")] = None,
    points: Annotated[dict[str, str] | None, Field(description="Each 'pass|fail|unknown: evidence'")] = None,
) -> Note:
    """Record (write down, log, remember) a note for human, implementer, critic: a finding, a question to ask, the
    critic's verdict.
    """
    from golf.play import review

    workspace = Workspace.find()
    about, role = None if experiment is None else experiments.find(workspace, experiment).name, _role(by)
    if kind != "verdict":
        return notes.add(workspace, by=role, kind=kind, text=text, experiment=about)
    if about is None:
        raise BadConfig("a verdict is about an experiment: name it")
    if _thread_source(context) == "user":
        raise RuleBroken(
            "a verdict is the critic's, and this is the session that plays: spawn a sub-agent with agent_type critic, "
            "which records it. A review by a session of its own is recorded with: golf accept review FILE --record"
        )
    return review.record(
        workspace, about, by=review.CRITIC, verdict=verdict, reason=text, diff_sha256=diff_sha256, points=points
    )


def list_experiments(
    limit: Annotated[int, Field(description="Default: 5", ge=0, le=8)] = 5,
    tier: Annotated[str | None, Field(description="Only this")] = None,
    status: Annotated[Literal["keep", "discard", "crash"] | None, Field(description="Only this")] = None,
    best_first: Annotated[bool, Field(description="Default: newest last")] = False,
) -> History:
    """List past experiments, runs (history, leaderboard), newest or best first: what we tried, val_bpb, kept or
    discarded.
    """
    return past.history(Workspace.find(), limit=limit, tier=tier, status=status, best_first=best_first)


def research_digest() -> Noun:
    """Digest of research: what we have read in papers, arXiv, notes, pull requests: score to beat, verified and best
    ideas. An item whole: golf://research/ID.
    """
    from golf.research import knowledge

    return knowledge.brief(Workspace.find())


def grade_research(
    items: Annotated[
        list[dict[str, Any]] | None,
        Field(description="By `golf schema research-grade` (or -verification). Default: rules grade"),
    ] = None,
) -> Noun:
    """Grade research: rate the ideas and papers we read (which are worth building), rewrite program.md and the prompt
    for a second opinion; takes your grades, or what you verified.
    """
    from golf.research import second_opinion

    return fewer(second_opinion.judge(Workspace.find(), items), "best")


def next_directions(
    count: Annotated[int, Field(description="At most. Default: 5", ge=1, le=8)] = 5,
) -> Noun:
    """Directions to try next: promising or unexplored technique families, why, what failed there; is the search going
    in circles?
    """
    from golf.research import outlook

    return fewer(outlook.outlook(Workspace.find(), count), "steps.failed", "steps")


def leaderboard() -> Noun:
    """Leaderboard of competitors: who is ahead, the credible best score, what it builds on, claims to doubt, how the
    record fell.
    """
    from golf.research import leaderboard as board

    return fewer(board.leaderboard(Workspace.find()), "lineage", "doubted", "leaders")


ITEM = "golf://research/{id}"


def item(id: str) -> str:
    """One thing that was read, its whole text as quoted data with all grades, for a researcher whose shell is off."""
    from golf.research import quotation

    return quotation.quotation(Workspace.find(), id)


TOOLS: list[tuple[Callable[..., object], ToolAnnotations]] = [
    (measure_artifact, READ_ONLY),
    (wait_for_job, READ_ONLY),
    (evaluate_bpb, FREE_WORK),
    (check_budget, READ_ONLY),
    (run_experiment, FREE_WORK),
    (submit_job, PAID_WORK),
    (job_status, READ_ONLY),
    (cancel_job, STOPPING),
    (check_promotion, READ_ONLY),
    (list_experiments, READ_ONLY),
    (compare_runs, READ_ONLY),
    (review_submission, READ_ONLY),
    (triage_submissions, READ_ONLY),
    (record_note, NOTING),
    (research_digest, READ_ONLY),
    (grade_research, NOTING),
    (next_directions, READ_ONLY),
    (leaderboard, READ_ONLY),
]


def _thread_source(context: Context) -> str | None:
    """`user` for the session's own thread, `subagent` for one it spawned; None from clients other than Codex."""
    turn = (context.request_context.meta or {}).get("x-codex-turn-metadata")
    if turn is None:
        return None
    return turn.get("thread_source") if isinstance(turn, dict) else "user"  # not as we know it: nobody's benefit


def _role(by: str) -> str:
    """A model's role; a human is nobody's to play."""
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", by) or by.startswith("human"):
        raise BadConfig(f"a model speaks as its role, not as {by!r}; people write with: golf record")
    return by


def _settled(job: Job) -> Job:
    """The job; what follows from its end is done first: a crash enters the ledger, reserved money is settled."""
    if job.ended_at is not None:
        record.recover(Workspace.find())
    return job
