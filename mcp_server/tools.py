"""One short function per tool: what is true of a tool is its signature, docstring and hints.

Defaults are stated in words because Codex strips them from schemas. Paths come from a model and
stay inside the workspace.
"""

import re
import time
from collections.abc import Callable
from typing import Annotated, Literal

import anyio
from mcp.server.mcpserver import Context
from mcp_types import ToolAnnotations
from pydantic import Field

from golf.errors import BadConfig, RuleBroken
from golf.jobs.local import LocalJobs
from golf.measure import artifact
from golf.play import (
    bulletin,
    change,
    compare,
    excerpt,
    experiments,
    notes,
    promotion,
    record,
    review,
    start,
    submission,
    targets,
)
from golf.play import history as past
from golf.play.budget import BudgetBook
from golf.referee import ruling
from golf.referee.brief import TriageSummary
from golf.research import recollection
from golf.rulings import Comparison
from golf.schema import Artifact, Budget, History, Job, Note, Noun, Promotion
from golf.workspace import Workspace

WAIT_S_MAX = 270.0
"""Codex gives a tool call 300 s."""

READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
FREE_WORK = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
PAID_WORK = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
"""Refused under `codex exec`, asked of a person in a session: money leaves the machine."""
NOTING = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
STOPPING = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

ExperimentName = Annotated[str, Field(description="Folder name or slug")]
JobId = Annotated[str, Field(description="Job id")]


def measure_artifact(
    path: Annotated[str, Field(description="Experiment, folder, weights or script")],
    weights: Annotated[str | None, Field(description="When the folder has several")] = None,
) -> Artifact:
    """Measure artifact size: bytes of code and compressed model weights against the 16 MB (16,000,000 byte) limit, the
    headroom left, and whether a submission fits under the cap or is too large.
    """
    workspace = Workspace.find()
    place, challenge = targets.artifact(path, workspace=workspace)
    return artifact.measure_artifact(workspace.inside(place), challenge=challenge, weights=weights)


def evaluate_bpb(
    path: Annotated[str, Field(description="Experiment, folder or checkpoint")],
    stride: Annotated[int | None, Field(description="Tokens scored per window. Default: plain windows", ge=1)] = None,
    seq_len: Annotated[
        int | None, Field(description="Window length. Default: the script's TRAIN_SEQ_LEN", ge=1)
    ] = None,
    max_tokens: Annotated[int | None, Field(description="Score a subset. Default: the whole split", ge=1)] = None,
) -> Job:
    """Evaluate (eval, score) a checkpoint, saved weights or a quantized model in BPB, bits per byte, and val loss on
    the FineWeb validation split. A job: see wait_for_job.
    """
    workspace = Workspace.find()
    place = path
    if not experiments.exists(workspace, path):
        place = str(workspace.inside(path))
    return start.start_evaluation(workspace, place, stride=stride, seq_len=seq_len, max_tokens=max_tokens)


def check_budget(
    cost_usd: Annotated[float | None, Field(description="Worst-case cost. Default: one paid run", ge=0)] = None,
) -> Budget:
    """Check the budget: money left; dollars of credits spent (cost so far), reserved and remaining (balance); whether
    we can afford a paid run, and when the next one is allowed.
    """
    workspace = Workspace.find()
    return BudgetBook(workspace.database, workspace.config.budget).state(cost_usd)


def run_experiment(
    experiment: ExperimentName,
    hypothesis: Annotated[str | None, Field(description="Creates it: what you expect, and why")] = None,
    script: Annotated[str | None, Field(description="Script to copy. Default: the parent's")] = None,
    parent: Annotated[str | None, Field(description="Experiment this one changes")] = None,
    expected_outcome: Annotated[str, Field(description="In numbers")] = "",
    rollback_criteria: Annotated[str, Field(description="When to give the idea up")] = "",
    env: Annotated[dict[str, str] | None, Field(description="Settings such as NUM_LAYERS, over the parent's")] = None,
    seeds: Annotated[
        list[int] | None, Field(description="Default: the parent's, else 1337. Two or more measure noise")
    ] = None,
    tier: Annotated[str | None, Field(description="Rung in golf.toml. Default: the parent's, else local")] = None,
    again: Annotated[bool, Field(description="Repeat a played experiment; default false")] = False,
) -> Job:
    """Run an experiment: test an idea or a change, free, on the local tier; train a model, quantize, evaluate and
    record it against its baseline. Also smoke tests, ablations, more seeds. A job: see wait_for_job.
    """
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
    tier: Annotated[str, Field(description="Paid rung in golf.toml")],
) -> Job:
    """Submit a job: launch (start, queue) the full run of an experiment on a paid tier, on rented cloud GPUs, a pod of
    8xH100. Spends real money; refused until every gate is passed.
    """
    return submission.submit(Workspace.find(), experiment, tier)


def job_status(id: JobId) -> Job:
    """Check the status of a running job or training: how it is going, progress, current step, loss and other metrics;
    alive, stuck, done, failed or crashed, and why. Reads files, never touches the process.
    """
    return _settled(LocalJobs(Workspace.find()).get(id))


async def wait_for_job(
    id: JobId,
    timeout_s: Annotated[float, Field(description="At most. Default: 240", gt=0, le=WAIT_S_MAX)] = 240.0,
) -> Job:
    """Wait (block, sleep, poll) until a job is done or the time is up; tells its state and results. Keep waiting, by
    calling again, while it has not finished.
    """
    deadline = time.monotonic() + timeout_s
    while True:  # asynchronous, so that a client that goes away ends the wait
        job = await anyio.to_thread.run_sync(job_status, id)
        left = deadline - time.monotonic()
        if job.ended_at is not None or left <= 0:
            return job
        await anyio.sleep(min(0.3, left))


def cancel_job(id: JobId) -> Job:
    """Cancel, stop, kill, abort or interrupt a running job or training: asks its processes to terminate, then makes
    sure.
    """
    cancelled = LocalJobs(Workspace.find()).cancel(id)
    record.recover(Workspace.find())  # what a repetition had set aside comes back
    return cancelled


def check_promotion(experiment: ExperimentName) -> Promotion:
    """Check promotion: should we promote an experiment to paid H100 compute? Which gates it passes or fails, with
    number and reason: is the gain over the baseline real and good enough or within seed noise (significance), size,
    review, budget.
    """
    return promotion.check_promotion(Workspace.find(), experiment)


def review_submission(
    path: Annotated[str, Field(description="Experiment, or somebody's submission folder")],
) -> Noun:
    """Review (audit) a submission or candidate: leaks of validation data, causality (peeking at future tokens), size,
    time, cheating, what is illegal, with evidence lines. Of an experiment the critic's facts on its diff against the
    parent.
    """
    workspace = Workspace.find()
    folder = targets.submission(path, workspace)
    if folder is None:
        return review.sheet(workspace, path)
    return excerpt.excerpt(workspace, ruling.review_submission(workspace.inside(folder)))


def compare_runs(
    a: Annotated[str, Field(description="Said to be better: experiment or submission folder")],
    b: Annotated[str, Field(description="What it is held against")],
    looks: Annotated[int | None, Field(description="Ideas it was picked from. Default: runs since b", ge=1)] = None,
) -> Comparison:
    """Compare two runs: is A better than B or is the difference luck? Welch t-test p-value over seeds, nats and BPB,
    the bars for a new record (SOTA), how many more seeds would settle it.
    """
    workspace = Workspace.find()
    names = [name if experiments.exists(workspace, name) else str(workspace.inside(name)) for name in (a, b)]
    return compare.compare_runs(workspace, *names, looks=looks)


def triage_submissions(
    folder: Annotated[str, Field(description="Of submissions, or a Git clone with pull requests")],
) -> TriageSummary:
    """Triage many submissions or pull requests: check each for rule violations, flag cheating, spot copies, rank by
    credible score. Counts, the first to open, and where the page is.
    """
    workspace = Workspace.find()
    return bulletin.post(workspace, workspace.inside(folder))


DIFF = "golf://diff/{experiment}"


def diff(experiment: str) -> str:
    """An experiment's whole change against its parent, for a critic whose shell is off."""
    workspace = Workspace.find()
    return change.change(workspace, experiments.find(workspace, experiment)).diff


def record_note(
    context: Context,
    kind: Annotated[Literal["finding", "question", "verdict"], Field(description="A verdict is the critic's")],
    text: Annotated[str, Field(description="What was found or asked, or a verdict's reason")],
    experiment: Annotated[str | None, Field(description="What it is about")] = None,
    by: Annotated[str, Field(description="Your role. Default: implementer")] = "implementer",
    verdict: Annotated[Literal["accept", "revise", "reject"] | None, Field(description="The critic's")] = None,
    diff_sha256: Annotated[str | None, Field(description="Verdict: the hash on the sheet")] = None,
    points: Annotated[
        dict[str, str] | None, Field(description="Verdict: each point to 'pass|fail|unknown: evidence'")
    ] = None,
) -> Note:
    """Record (write down, save, log, remember) a note in the shared channel of human, implementer and critic: a
    finding, a question to ask, or the critic's verdict.
    """
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
    limit: Annotated[int, Field(description="Rows to show. Default: 5", ge=0, le=8)] = 5,
    tier: Annotated[str | None, Field(description="Only this tier")] = None,
    status: Annotated[Literal["keep", "discard", "crash"] | None, Field(description="Only this status")] = None,
    best_first: Annotated[bool, Field(description="Lowest val_bpb first. Default: newest last")] = False,
) -> History:
    """List past experiments and runs, newest or best first (history, ledger, leaderboard): what we tried, results in
    val_bpb, what was kept or discarded, the best score so far.
    """
    return past.history(Workspace.find(), limit=limit, tier=tier, status=status, best_first=best_first)


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
