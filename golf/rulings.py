"""The referee's nouns: what was found about a submission, each finding with the line it stands on.

Frozen like those of `golf.schema`; the line beneath a field is its description in generated schemas.
"""

from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field, FiniteFloat, computed_field, model_validator

from golf.schema import Noun

Said = Annotated[str, Field(pattern=r"\S")]
"""Text that says something."""

Code = Literal[
    "SIZE_OVER", "VAL_IN_ARTIFACT", "NETWORK",
    "TIME_OVER_TRAIN", "TIME_OVER_EVAL",
    "VAL_IN_TRAINING", "PARTIAL_VAL", "TRAIN_DATA_AT_EVAL", "GPTQ_CALIB_AT_EVAL_ON_TRAIN", "GPTQ_CALIB_ON_VAL",
    "DATA_MISMATCH",
    "BPB_MISCOUNT", "TOKENIZER_LOSSY", "BPB_APPROX",
    "TTT_TRAIN_THEN_SCORE", "TTT_PREQUANT_VAL", "TTT_MULTI_EPOCH_RESCORE", "TTT_WARMUP_ON_VAL", "TWO_PASS_RESCORE",
    "NGRAM_TARGET_IN_KEY", "NGRAM_UNNORMALISED", "NGRAM_ORACLE_GATE", "NGRAM_TARGET_GATE",
    "SLOT_NONCAUSAL", "PPM_UNNORMALISED", "BOS_LEAK",
    "MISSING_FILES", "EVIDENCE_WEAK", "CODE_LOG_MISMATCH", "NOT_SIGNIFICANT", "NOT_REPRODUCIBLE",
    "SEED_BRUTE_FORCE", "CUSTOM_LIB",
    "SCORE_DISAGREES", "SIZE_DISAGREES", "TOKENIZER_BYTES", "RESEMBLES_INVALID", "WITHDRAWN", "UNREADABLE",
]  # fmt: skip
"""What a finding is about; `golf.referee.rulebook` has each code's rule, its source and what would clear it."""

CODES: tuple[Code, ...] = get_args(Code)

Severity = Literal["block", "flag", "note"]
"""block: disqualifies by a maintainer's rule, with evidence; flag: a person must look; note: good to know."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""The worst first."""


class Described(Noun):
    """Base of the nouns here: the docstring beneath a field goes into its schema."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Evidence(Described):
    """Where a finding can be read."""

    file: Said
    """Relative to the submission's folder; `train_gpt.py!unpacked` for what a packed script holds."""
    line: Annotated[int, Field(ge=1)] | None
    quote: Said
    """The words or number that stand there."""


class Finding(Described):
    """One thing to know about a submission."""

    code: Code
    severity: Severity
    confidence: Annotated[FiniteFloat, Field(ge=0, le=1)]
    """How sure the referee is that the finding is true of the submission."""
    text: Said
    """What it is, in a sentence with its numbers."""
    evidence: list[Evidence]
    rule: Said
    """The rule and its source."""
    clears: Said
    """What would clear it."""

    @model_validator(mode="after")
    def _is_founded(self) -> "Finding":
        if self.severity == "block" and not self.evidence:
            raise ValueError(f"{self.code} blocks without a line of evidence")
        return self


class SubmittedSeed(Described):
    """What one seed's log says; a number it does not settle is null, with the reason in `missing`."""

    log: str
    also: list[str] = []
    """Other logs of the same run: `log` only scored it, these trained it."""
    seed: int | None
    val_bpb: FiniteFloat | None
    val_loss: FiniteFloat | None
    """Nats per token."""
    artifact_bytes: int | None
    code_bytes: int | None
    train_time_s: FiniteFloat | None
    eval_time_s: FiniteFloat | None
    steps: int | None
    missing: dict[str, str] = {}
    """Field name to the reason it is null."""


class Submission(Described):
    """One submission folder as its own files state it, reconciled; nothing here is a judgement."""

    folder: str
    name: str | None = None
    author: str | None = None
    github_id: str | None = None
    pr: int | None = None
    track: str | None = None
    """`10min_16mb` or `non_record_16mb`, where the folder or the files say so."""
    date: str | None = None
    hardware: str | None = None
    """As stated, e.g. `8xH100`."""
    parents: list[str] = []
    """Pull requests (`#1493`) and record folders it says it builds on, nearest first."""
    claims: list[str] = []
    """Sentences of the README that claim a score, a technique or compliance."""
    claimed_val_bpb: FiniteFloat | None = None
    """The headline."""
    claimed_from: str | None = None
    """File and key the headline came from, and which of the logs' numbers it is: mean, best seed, only seed."""
    claimed_val_loss: FiniteFloat | None = None
    claimed_bytes: int | None = None
    seeds: list[SubmittedSeed] = []
    val_bpb: FiniteFloat | None = None
    """Mean of the seeds' logged scores."""
    val_bpb_std: FiniteFloat | None = None
    """Sample standard deviation; null with fewer than two."""
    artifact_bytes: int | None = None
    """Largest of the seeds' logged totals."""
    train_time_s: FiniteFloat | None = None
    """Longest of the seeds."""
    eval_time_s: FiniteFloat | None = None
    """Longest of the seeds."""
    missing: dict[str, str] = {}
    """Field name to the reason it is null."""


RulingVerdict = Literal["clear", "review", "block"]


class Ruling(Described):
    """The referee's word on one submission."""

    submission: Submission
    verdict: RulingVerdict
    """block: disqualified by a maintainer's rule, with evidence in hand; review: a person must look; else clear."""
    reason: Said
    findings: list[Finding]
    """Blocks first, then flags, then notes."""
    examined: list[str]
    """What the verdict rests on: some of `code`, `readme`, `json`, `logs`, `files`."""
    not_examined: list[str] = []
    """What could not be looked at, and why; a clear verdict says nothing about it."""
    techniques: list[str] = []
    whole_path: str | None = None
    """Where all of it lies, when this is an excerpt."""

    @computed_field
    @property
    def codes(self) -> list[str]:
        """Codes of the findings that make the verdict, without repetition."""
        wanted = {"block": ("block",), "review": ("block", "flag"), "clear": ()}[self.verdict]
        return list(dict.fromkeys(finding.code for finding in self.findings if finding.severity in wanted))

    @model_validator(mode="after")
    def _follows(self) -> "Ruling":
        worst = {finding.severity for finding in self.findings}
        due = "block" if "block" in worst else "review" if "flag" in worst else "clear"
        if self.verdict != due:
            raise ValueError(f"the findings make it {due}, not {self.verdict}")
        return self


# --- Audit: a scorer's causality, tested from outside (`golf.referee.causality`)

ProbeName = Literal["repeat", "memory", "future", "normalisation"]
"""repeat: a fresh process gives the same scores; memory: so does a process that has scored before; future: scores do
not move when later tokens change; normalisation: at one position the probabilities of all tokens sum to no more than 1.

Source: conditions C1 to C4 of issue #1017. A breach of the first two is in `memory` or `future`, of C2 in
`normalisation`, of C3 and C4 in `future`.
"""

ProbeOutcome = Literal["clean", "violated", "undecided", "not run"]


class Breach(Described):
    """One place where a scorer broke a rule, seen again in fresh processes."""

    probe: ProbeName
    position: Annotated[int, Field(ge=0)]
    """Index of the token whose score it is, the first being 0."""
    expected: FiniteFloat
    """Nats as first scored; 1 for a sum of probabilities."""
    found: FiniteFloat | None
    """Null when it is not finite."""
    text: Said


class Probe(Described):
    """What one kind of question to a scorer showed."""

    name: ProbeName
    outcome: ProbeOutcome
    text: Said
    num_positions: Annotated[int, Field(ge=0)] = 0
    """Positions looked at."""
    num_scored: Annotated[int, Field(ge=0)] = 0
    """Token sequences that were scored for it."""
    worst: FiniteFloat | None = None
    """Largest deviation seen: nats, or by how much a sum exceeds 1."""
    tolerance: FiniteFloat
    """What deviates by no more counts as equal; fixed beforehand."""
    share_max: Annotated[FiniteFloat, Field(ge=0, le=1)] | None = None
    """95 % upper bound on the share of positions with a violation, from those chosen at random; null unless clean."""


AuditVerdict = Literal["causal", "violation", "inconclusive"]


class Audit(Described):
    """Whether a scorer's numbers are a code length: a distribution over the next token, fixed before it is seen."""

    target: Said
    verdict: AuditVerdict
    """causal: no probe found anything, within `hidden_gain_nats`; violation: `breaches` says where; inconclusive: it
    could not be decided, and `reason` says why."""
    reason: Said
    breaches: list[Breach]
    probes: list[Probe]
    text: Said
    """The tokens it was asked about."""
    num_tokens: Annotated[int, Field(ge=2)]
    """Length of each scored sequence; nothing is said of what a scorer does in longer ones."""
    vocab_size: Annotated[int, Field(ge=2)]
    seed: int
    nats_per_token: FiniteFloat | None
    """Mean score of the tokens it was asked about; null when it could not be scored."""
    noise_nats: FiniteFloat | None
    """Largest difference between the scores of the same tokens in two fresh processes."""
    hidden_gain_nats: FiniteFloat | None
    """Nats per token that could have been gained unseen, with 95 % confidence, if no gain at one position exceeds
    ln(vocab_size); null unless causal."""
    hidden_gain_bpb: FiniteFloat | None = None
    """The same in bits per byte; null where bytes per token are not known."""
    confinement: list[str]
    """What held the scorer's processes in."""
    unconfined: list[str]
    """What did not, and why."""
    wall_time_s: FiniteFloat
    notes: list[str] = []

    @model_validator(mode="after")
    def _is_founded(self) -> "Audit":
        if (self.verdict == "violation") != bool(self.breaches):
            raise ValueError("a violation has a breach to show, and nothing else has")
        return self


# --- certificate


class Certificate(Described):
    """Text that went through a scorer into bits and came back: the proof of a score, or what became of the attempt."""

    target: str
    verdict: Literal["certified", "refuted", "not_decoded", "no_code"]
    """refuted: the text came back, from more bits than the score says; not_decoded: it came back wrong; no_code:
    probabilities sum to more than 1."""
    certified_bpb: FiniteFloat | None
    """Bits the decoder was given per byte of the text that came back; null when it did not."""
    scored_bpb: FiniteFloat | None
    """What the scorer's own score says about the same text, bits per byte."""
    claimed_bpb: FiniteFloat | None
    """What is claimed for the whole validation split; null where nothing is."""
    text_bytes: int
    num_tokens: int
    coded_bytes: int | None
    """Bits the decoder was given, in bytes; the artifact itself is not in it."""
    first_difference: int | None
    """Position of the first token that came back wrong."""
    settings: list[str]
    """What makes the arithmetic of encoder and decoder the same."""
    confinement: list[str] = []
    """What held the two processes."""
    unconfined: list[str] = []
    """What did not, and why."""
    reason: Said
    elapsed_s: FiniteFloat


# --- significance


class ComparedSide(Described):
    """One side of a comparison."""

    name: Said
    num_seeds: int
    seeds: list[int]
    """The first of them, where they are known."""
    mean_bpb: FiniteFloat
    std_bpb: FiniteFloat | None
    """Sample standard deviation; null with one seed."""
    tokens_per_byte: FiniteFloat | None
    """Measured: val_bpb × ln 2 / val_loss; null without losses. Losses compare only where it is the same."""


class Comparison(Described):
    """Whether A scores lower than B beyond what seeds do, by the bar as written and as it was applied."""

    a: ComparedSide
    b: ComparedSide
    gain_bpb: FiniteFloat
    """B's mean minus A's: positive when A is better."""
    gain_nats: FiniteFloat | None
    """The same per token; null across tokenizers, whose tokens differ in length."""
    bar_bpb: FiniteFloat | None
    """The written bar of 0.005 nats in BPB, by the side on which it is higher; null without tokens per byte."""
    p: FiniteFloat | None
    """One-sided Welch: chance of so large a gain if A were no better. Null with fewer than two seeds on a side."""
    p_at_bar: FiniteFloat | None
    """The same if A were better by the written bar exactly: small when the bar itself is shown to be passed."""
    looks: int
    """Ideas or looks this comparison was picked from."""
    p_corrected: FiniteFloat | None
    """`p` for the best of so many looks (Bonferroni, the first step of Holm)."""
    verdict: Literal["better", "unsettled", "worse", "unknown"]
    """better, worse: shown at 0.01, looks counted; unknown: too few seeds to say anything."""
    is_speed_up: bool
    """Held to be a change of systems alone."""
    meets_written_bar: bool | None
    """At least 0.005 nats and p < 0.01; for a pure speed-up that is waived, and no worse is enough."""
    meets_applied_bar: bool | None
    """p < 0.25, as maintainers applied it from 2026-04-28."""
    more_seeds_written: int | None
    """Seeds to add on each side for p < 0.01, with a chance of 80 %; null where no number of seeds would do."""
    more_seeds_applied: int | None
    """The same for p < 0.25."""
    warnings: list[Said]
    """What makes the numbers say less than they seem to: seeds picked afterwards, results left out."""

    @computed_field
    @property
    def reason(self) -> str:
        """The comparison in a sentence, with its numbers."""
        said = f"A is {abs(self.gain_bpb):.5f} BPB {'lower' if self.gain_bpb >= 0 else 'higher'} than B"
        if self.gain_nats is not None:
            said += f" ({abs(self.gain_nats):.4f} nats a token)"
        if self.p is None:
            return f"{said}, and without two seeds on each side that differ nothing follows from it"
        said += f"; Welch p = {self.p:.3g}"
        if self.looks > 1:
            said += f", {self.p_corrected:.3g} as the best of {self.looks} looks"
        word = {True: "met", False: "not met", None: "undecided, as the two sides' nats do not compare"}
        written = "waived for a speed-up" if self.is_speed_up else word[self.meets_written_bar]
        applied = word[self.meets_applied_bar]
        return f"{said}; written bar (0.005 nats, p < 0.01) {written}; applied bar (p < 0.25) {applied}"


# --- bytes: the denominator of bits per byte, recounted

ByteDefectKind = Literal[
    "leading_space_twice",
    "leading_space_always",
    "leading_space_never",
    "space_marker_as_3",
    "byte_fallback",
    "constant_bytes",
    "characters",
    "control_counted",
    "boundary_not_seen",
    "other",
]


class ByteDefect(Described):
    """One way in which a script's table miscounts the text."""

    kind: ByteDefectKind
    """leading_space_twice: in the table and added again; leading_space_always: in the table, so that it counts at a
    document's start too; leading_space_never: nowhere; space_marker_as_3: ▁ as its own three bytes; byte_fallback: a
    byte token is not one byte; constant_bytes: one number for every token; characters: characters for bytes;
    control_counted: a control token has bytes; boundary_not_seen: the space after a control token counts."""
    tokens: int
    """Token ids that it concerns."""
    occurrences: int
    """How often the text has them."""
    bytes: int
    """Bytes it adds to the count; negative when it leaves some out."""
    example: Said
    """A piece, with what the table says and what it stands for."""


class ByteAudit(Described):
    """Bytes that a text has and bytes that a script counts for it."""

    tokenizer: str
    table: str
    """Where the table came from."""
    verdict: Literal["exact", "miscounted", "lossy"]
    """lossy: counted right, but the tokenizer gives back another text than it was given, whose bytes nobody knows."""
    num_tokens: int
    """Targets: all tokens but the stream's first."""
    decoded_bytes: int
    """UTF-8 bytes of the decoded text, document by document."""
    challenge_bytes: int
    """What the challenge's own table counts for it; the few ways in which it differs are in `notes`."""
    counted_bytes: int
    """What the script's table counts for it."""
    tokens_per_byte: FiniteFloat
    """Of the challenge's count."""
    defects: list[ByteDefect]
    """The one with the most bytes first; their bytes add up to counted minus challenge's."""
    lost: list[str]
    """What does not survive the tokenizer, each with an example."""
    claimed_bpb: FiniteFloat | None
    corrected_bpb: FiniteFloat | None
    """The claim with the challenge's count for a denominator; null without a claim, or where text is lost."""
    notes: list[str]


# --- size, predicted


class PredictedPart(Described):
    """Bytes of one component of an artifact before it is trained."""

    name: Literal["embedding", "attention", "mlp", "matrices", "other", "scales", "container", "code"]
    params: int
    """Numbers stored; 0 for what is no weights."""
    bits: FiniteFloat | None
    """Bits a number is quantised to; 16 and 32 are floats; null for what is no weights."""
    bits_stored: FiniteFloat | None
    """Bits a number takes after the codec."""
    low_bytes: int
    bytes: int
    high_bytes: int


class Fit(Described):
    """Whether weights can be packed into the room that is left for them."""

    verdict: Literal["fits", "does not fit", "likely does not fit", "cannot tell"]
    is_proven: bool
    """`fits`: the packing named in `packed_with` was made. `does not fit`: with `codec` and a fast codec, both made."""
    codec: str
    """The record's, which was asked about."""
    packed_with: str
    """What makes `packed_bytes` of the weights: a codec, or `as it is`."""
    packed_bytes: int
    room_bytes: int
    """The limit less everything else that counts."""
    reason: Said


class SizePrediction(Described):
    """What an artifact will weigh, from what is known before training."""

    codec: str
    parts: list[PredictedPart]
    low_bytes: int
    """The interval holds 95 of 100 artifacts."""
    bytes: int
    high_bytes: int
    limit_bytes: int
    verdict: Literal["fits", "does not fit", "cannot tell"]
    """Whether the whole interval lies on one side of the limit."""
    reason: Said
    notes: list[str]
