"""The nouns every door shares: frozen pydantic models that refuse unknown fields.

`--json` prints them and MCP tools return them, so a field here is a promise. Units end the names:
`_bytes`, `_s` (seconds), `_usd`; `val_bpb` is bits per byte, `val_loss` nats per token.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field, field_validator

Tier = str
"""Name of a rung of the compute ladder in golf.toml, e.g. `smoke`, `local`, `h100x8`."""


class Noun(BaseModel):
    """Base of every model here."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    # A command uses a few of these: each is built when it is first used, and not all of them at every start.


# --- measuring ---------------------------------------------------------------------------------


class Part(Noun):
    """One file of an artifact and the bytes it counts for."""

    path: str
    kind: Literal["code", "model", "tokenizer"]
    bytes: int
    """Bytes counted toward the artifact (for a tokenizer: its size, not counted by the challenge)."""
    counted_as: str = "as is"
    """How the bytes were obtained: `as is`, or the codec an uncompressed file was measured with."""


class CodecSize(Noun):
    """What the model bytes would be under another codec."""

    codec: str
    bytes: int
    saved_bytes: int
    """Bytes won against the file as it is; negative when the codec is worse."""


class Artifact(Noun):
    """What a submission weighs under the rules, and the room that is left."""

    path: str
    artifact_bytes: int
    """code_bytes + model_bytes under the accounting named in `accounting`."""
    limit_bytes: int
    code_bytes: int
    model_bytes: int
    tokenizer_bytes: int = 0
    """A custom tokenizer beside the artifact: reported, not counted by the challenge."""
    accounting: Literal["shipped", "packed", "logged"]
    """shipped: bytes of the files as they lie; packed: code as its lzma-packed size; logged: what the log says."""
    totals: dict[str, int]
    """artifact_bytes under each accounting convention that could be computed.

    `with_tokenizer` adds a tokenizer beside the artifact to the convention named in `accounting`.
    """
    parts: list[Part]
    savings: list[CodecSize] = []
    notes: list[str] = []

    @computed_field
    @property
    def headroom_bytes(self) -> int:
        """Limit minus artifact; negative when over."""
        return self.limit_bytes - self.artifact_bytes

    @computed_field
    @property
    def status(self) -> Literal["OK", "OVER LIMIT"]:
        """16,000,000 passes, 16,000,001 fails."""
        return "OK" if self.artifact_bytes <= self.limit_bytes else "OVER LIMIT"


class Evaluation(Noun):
    """A score: the challenge's metric over a validation split, with all that defines it."""

    checkpoint: str
    checkpoint_sha256: str
    val_bpb: float
    """Bits per byte: loss sum in nats / ln 2 / bytes."""
    val_loss: float
    """Nats per token."""
    scored_tokens: int
    scored_bytes: int
    total_tokens: int
    """Target tokens in the whole split (its tokens minus one)."""
    is_subset: bool
    """True when fewer targets than the split offers (at this sequence length) were scored."""
    seq_len: int
    stride: int
    """Tokens scored per window; equal to seq_len for plain consecutive windows."""
    byte_source: Literal["tokenizer", "sidecar"]
    dtype: str
    device: str
    forward: Literal["script", "baseline"] = "script"
    """Whose forward scored: the script's own, or golf's of the challenge's baseline, tried against it on real data."""
    eval_time_s: float
    peak_memory_bytes: int
    shards: list[str]
    notes: list[str] = []


class LogPoint(Noun):
    """One step line of a training log."""

    step: int
    train_time_s: float | None = None
    train_loss: float | None = None
    val_loss: float | None = None
    val_bpb: float | None = None


class TrainingLog(Noun):
    """What one training log says. A number the log does not settle is None, with its reason in `missing`."""

    path: str
    seed: int | None = None
    final_bpb: float | None = None
    final_loss: float | None = None
    final_label: str | None = None
    """Label of the line the final score stands on, e.g. `final_int8_zlib_roundtrip_exact`."""
    artifact_bytes: int | None = None
    code_bytes: dict[str, int] = {}
    """Logged code sizes by kind: `plain`, `compressed`, `uncompressed`."""
    model_bytes: int | None = None
    train_time_s: float | None = None
    eval_time_s: float | None = None
    steps: int | None = None
    iterations: int | None = None
    memory_bytes: int | None = None
    model_params: int | None = None
    world_size: int | None = None
    val_tokens: int | None = None
    train_shards: int | None = None
    wallclock_cap_s: float | None = None
    last_step_bpb: float | None = None
    hyperparameters: dict[str, str] = {}
    candidates: dict[str, float] = {}
    """Every scored line's label with its last val_bpb, for whoever must choose another."""
    points: list[LogPoint] = []
    missing: dict[str, str] = {}
    """Field name to the reason it is None."""


# --- experiments -------------------------------------------------------------------------------


class Experiment(Noun):
    """`config.yaml`: what is claimed and how it is tried, written before the run."""

    hypothesis: str = Field(pattern=r"\S")
    expected_outcome: str = ""
    rollback_criteria: str = ""
    parent: str | None = None
    """Experiment this one changes, by folder name; the line delta is counted against its script."""
    tier: Tier = "local"
    script: str = Field(default="train_gpt.py", pattern=r"^[^/\\\x00]+$")
    """The training script: a file name in the experiment's folder."""
    command: list[str] | None = None
    """Overrides the tier's command; `{python}` and `{script}` are filled in."""
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] = {}
    seeds: list[int] = Field(default=[1337], min_length=1)
    techniques: list[str] = []
    created_at: datetime | None = None

    @field_validator("env")
    @classmethod
    def _no_other_course(cls, env: dict[str, str]) -> dict[str, str]:
        """Data and tokenizer are the workspace's: with its own, an experiment would be scored by its own ruler."""
        for key, value in env.items():
            if key in ("DATA_PATH", "TOKENIZER_PATH"):
                raise ValueError(f"{key} belongs to the workspace: set [data] in golf.toml, for every experiment")
            if "\0" in value:
                raise ValueError(f"{key} has a null byte in its value")
        return env

    @field_validator("seeds")
    @classmethod
    def _different_seeds(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"a seed counts once (got {seeds})")
        return seeds


class Plan(Noun):
    """What a run would do: a dry run's answer."""

    experiment: str
    tier: Tier
    command: list[str]
    seeds: list[int]
    parallel_seeds: int
    settings: dict[str, str]
    time_limit_s: float
    cost_usd: float
    baseline: str | None
    """The running local baseline it will be compared with."""


class SeedResult(Noun):
    """One seed's run: what the trainer logged, and what Caddie measured afterwards."""

    seed: int
    val_bpb: float
    """Measured by Caddie on the artifact after its compressed round trip."""
    val_loss: float
    logged_val_bpb: float | None = None
    """What the trainer's own log claims; a disagreement is in the result's notes."""
    artifact_bytes: int
    train_time_s: float | None = None
    """As the trainer logged it, validation left out; None when the log is silent, or claims more than wall_time_s."""
    wall_time_s: float | None = None
    """The trainer's whole process, measured."""
    eval_time_s: float
    steps: int | None = None
    """As logged."""
    memory_bytes: int
    """Peak resident memory of the trainer, measured; on a tier with GPUs, GPU memory as logged where it is."""
    log: str
    scored_on: str = ""
    """Device, dtype and how much of the validation split the score covers."""


class Noise(Noun):
    """How far scores move when nothing but the seed changes."""

    num_seeds: int
    std_bpb: float | None
    """Sample standard deviation over the baseline's seeds; None with fewer than two."""
    threshold_bpb: float | None
    """Gain below which a difference of means is called noise (one-sided 95 %); None when unknown."""


class Gate(Noun):
    """One condition on the way to paid compute, with its number and its reason."""

    name: str
    verdict: Literal["pass", "fail", "unknown"]
    value: float | None = None
    limit: float | None = None
    reason: str


class Promotion(Noun):
    """The gates of one experiment, one by one, and what follows."""

    experiment: str
    tier: Tier
    val_bpb: float
    baseline: str | None
    """The running local baseline: the best kept experiment of this tier; None for the first run."""
    baseline_bpb: float | None
    improvement: float | None
    """Relative gain over the baseline: 0.03 is 3 %; negative when worse."""
    noise: Noise
    line_delta: int | None
    """Code lines added minus removed against the parent; negative is simpler."""
    decision: Literal["keep", "discard"]
    promoted: bool
    """True when every gate passes; paid compute may be asked for."""
    gates: list[Gate]
    reason: str


class SubmissionPlan(Noun):
    """What a paid run would be: a dry run's answer. Nothing was asked of a provider."""

    experiment: str
    tier: Tier
    backend: str
    command: list[str]
    seeds: list[int]
    machines: int
    """At the same time."""
    commit: str
    """The tree that would be sent: the one that was scored and reviewed."""
    files: int
    files_bytes: int
    largest: list[str]
    """Names of its largest files."""
    settings: dict[str, str]
    """The trainer's variables, as they are there."""
    missing: str = ""
    """What is not here to ask the provider with: a key, a login, a program."""
    time_limit_s: float
    """Of the run over all its seeds; on a back-end elsewhere of each launch, and every seed is one."""
    hourly_usd: float
    """Of one machine."""
    at_most_usd: float
    """Set aside before anything is asked: every launch for its whole limit."""
    asked: list[dict[str, Any]]
    """What the provider would be asked for each seed, without secrets."""
    promotion: Promotion
    """The gates."""


class Transfer(Noun):
    """What pairs of local and paid runs say of two tiers."""

    local: str
    paid: str
    pairs: int
    mean_delta_bpb: float
    """Local minus paid: how much lower the paid run scores."""
    tau: float
    """Kendall's rank correlation: does the order on one tier tell that on the other?"""
    tau_low: float
    tau_high: float
    """Its 95 % interval."""
    tau_p: float
    """Chance of a correlation so far above 0 if the one order said nothing about the other."""
    family_delta_bpb: dict[str, float]
    """Each technique family's mean, drawn towards the whole."""
    best_paid_bpb: float | None
    total_usd: float
    """What the paid runs of these pairs cost."""


class Played(Noun):
    """One of many experiments, and how it came out."""

    experiment: str
    val_bpb: float | None
    status: str
    """As its result says (`keep`, `discard`, `crash`), or why there is none."""
    was_there: bool
    """It had its result before."""


class Tournament(Noun):
    """Successive halving over experiments of one tier: its plan, and where it is."""

    tier: Tier
    unit: str
    """What budgets are counted in."""
    rounds: list[str]
    at_most_runs: int
    expected_usd: float
    at_most_usd: float
    round: int
    """The round that is on, or the last; from 1."""
    due: list[str]
    """Still to be played in it."""
    winner: str | None
    tied: list[str]
    """Who won together, where seed noise explains what lies between them."""
    reason: str


class Result(Noun):
    """`result.json`: one finished run of an experiment over all its seeds."""

    experiment: str
    run_id: str
    commit: str = Field(pattern=r"^(-|[0-9a-f]{1,64})$")  # git is given it
    """Snapshot commit the run was played from; `git show <commit>` gives the exact tree."""
    tier: Tier
    status: Literal["keep", "discard", "crash"]
    promoted: Literal["yes", "no", "pending"]
    hypothesis: str
    val_bpb: float | None = None
    """Mean over seeds; None when the run crashed."""
    val_bpb_std: float | None = None
    artifact_bytes: int | None = None
    """Largest over seeds: the limit applies to every seed."""
    headroom_bytes: int | None = None
    memory_gb: float | None = None
    train_time_s: float | None = None
    eval_time_s: float | None = None
    cost_usd: float = 0.0
    seeds: list[SeedResult] = []
    promotion: Promotion | None = None
    data: str = ""
    """The validation split it was scored on: folder name and content hash; scores on different data do not compare."""
    reference_bpb: dict[str, float] = {}
    """Bits per byte of plain compressors on the same validation text (unigram, gzip, zstd, lzma)."""
    settings: dict[str, str] = {}
    """The environment the trainer ran under, Caddie's own variables aside."""
    error: str | None = None
    notes: list[str] = []
    finished_at: datetime


class Row(Noun):
    """One line of `results.tsv`; the nine columns are contract."""

    commit: str
    tier: Tier
    val_bpb: float | None
    artifact_bytes: int | None
    memory_gb: float | None
    status: Literal["keep", "discard", "crash"]
    promoted: Literal["yes", "no", "pending"]
    cost_usd: float
    description: str


class History(Noun):
    """The ledger, filtered: the newest rows, the best one and where the rest is."""

    total: int
    """Rows that pass the filter."""
    best: Row | None
    """Lowest val_bpb among kept rows of the tier asked for, else of the newest row's tier: tiers do not compare."""
    rows: list[Row]
    """At most as many as were asked for."""
    path: str


# --- speaking to each other --------------------------------------------------------------------

Verdict = Literal["accept", "revise", "reject"]
OverridableGate = Literal[
    "feasibility", "contamination", "review", "hypothesis", "size", "promotion", "noise", "confirmation", "transfer"
]


class Note(Noun):
    """One line of the shared channel `notes.jsonl`."""

    at: datetime
    by: str = Field(pattern=r"^(human:)?\w[\w .@+-]*$", max_length=80)
    """A role (`critic`, `implementer`, …), or `human:NAME`."""
    kind: Literal["directive", "finding", "question", "verdict", "override"]
    text: str = Field(pattern=r"\S", max_length=4000)
    experiment: str | None = None
    target: str | None = None
    """Of an override: `gate:NAME`, or the frozen path that may be edited. `withdrawn` ends a directive."""
    diff_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """The change a verdict or an override of a gate is about."""
    verdict: Verdict | None = None


class SheetPoint(Noun):
    """One thing a critic looks at, and what could be established without a critic."""

    name: str
    verdict: Literal["pass", "fail", "unknown"]
    """`unknown` is work for the critic: a fact that no measurement here settles."""
    fact: str


class Sheet(Noun):
    """What is known about a candidate before anybody has an opinion."""

    experiment: str
    parent: str | None
    tier: Tier
    hypothesis: str
    diff_sha256: str
    """Hash of the change and of the run it was judged by; a verdict names it."""
    change: str
    """The change in short; the whole of it is in `diff_path`."""
    diff_path: str
    diff_uri: str
    """The same as a resource of the MCP server, for a reader without a shell."""
    points: list[SheetPoint]
    standing: str
    """What the last verdict is worth now."""


# --- money -------------------------------------------------------------------------------------


class Budget(Noun):
    """Credits: what is spent, set aside and left, and whether a paid run may start now."""

    total_usd: float
    reserve_usd: float
    """Floor that is never spent."""
    spent_usd: float
    reserved_usd: float
    """Set aside for runs that have not been settled yet, at their worst-case cost."""
    remaining_usd: float
    """total - spent - reserved."""
    run_cost_usd: float
    """Worst-case cost of the run that was asked about."""
    runs_left: int
    next_allowed_at: datetime | None
    """None when a run may start now as far as the rate limit is concerned."""
    verdict: Literal["ok", "warning", "rate_limited", "blocked"]
    allowed: bool
    message: str


# --- jobs --------------------------------------------------------------------------------------

JobState = Literal["queued", "running", "done", "failed", "cancelled", "timed_out", "lost"]


class Job(Noun):
    """Long work in a process of its own; everything here is read from files it wrote."""

    id: str
    kind: Literal["run", "evaluate"]
    subject: str
    """The experiment's name, or the path that is evaluated."""
    backend: str = "local"
    state: JobState
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    phase: str | None = None
    """What it is doing now, e.g. `training seed 1337`."""
    step: int | None = None
    iterations: int | None = None
    metrics: dict[str, float] = {}
    """The last metrics the trainer wrote."""
    heartbeat_age_s: float | None = None
    cost_usd: float = 0.0
    exit_code: int | None = None
    result: dict[str, Any] | None = None
    """What it was started for, once it is there: an Evaluation's fields, or a run's score and status."""
    message: str = ""
    """Why it ended as it did, or the result in one line."""
    folder: str
    """Where its output, metrics and result lie."""


ENDED: frozenset[str] = frozenset({"done", "failed", "cancelled", "timed_out", "lost"})
"""States a job never leaves."""
