"""What Codex answers with under `--output-schema`: the models, their schemas, and the check that Codex leaves out.

`python -m golf.answers schemas/` writes `schemas/<name>.json` again. The files stay within what the API's strict mode
takes (every property required, no extra ones, few keywords), which is far less than a model can say: a hash's digits,
ten points each once, a violation with its evidence. Codex sends a schema and checks nothing, so `read` checks it all.

Source: OpenAI, "Structured Outputs", supported schemas.
"""

import itertools
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from golf.errors import BadConfig, NotFound, UnreadableInput
from golf.schema import Noun, Verdict

ANSWER_BYTES_MAX = 4_000_000
"""A longer answer is refused unread: two thousand triaged submissions fit four times over."""

Said = Annotated[str, Field(pattern=r"\S")]
"""Text that says something."""

Name = Annotated[str, Field(pattern=r"^\S(.*\S)?$")]


class Answer(Noun):
    """Base of everything here: the line beneath a field is its description in the schema."""

    model_config = ConfigDict(use_attribute_docstrings=True)


# --- the critic --------------------------------------------------------------------------------

PointName = Literal[
    "gain", "significance", "size", "time", "leakage", "causality", "bytes", "simplicity", "provenance", "conflicts"
]
POINTS: tuple[PointName, ...] = (
    "gain", "significance", "size", "time", "leakage", "causality", "bytes", "simplicity", "provenance", "conflicts",
)  # fmt: skip


class Point(Answer):
    """One point of the critic's sheet, answered."""

    name: PointName
    verdict: Literal["pass", "fail", "unknown"]
    """unknown when neither the sheet nor your reading settles it."""
    evidence: Said
    """The number, or file and line, that the verdict rests on."""


class Review(Answer):
    """A critic's verdict on one experiment, bound to the change it read."""

    experiment: Name
    """Folder name of the experiment, as the sheet gives it."""
    diff_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Copied from the sheet of review_submission: 64 lower-case hex digits."""
    verdict: Verdict
    """accept only when no point fails."""
    points: list[Point]
    """Each of the ten points once."""
    reason: Said
    """The verdict in a sentence or two."""

    @model_validator(mode="after")
    def _is_whole(self) -> "Review":
        names = [point.name for point in self.points]
        missing = [name for name in POINTS if name not in names]
        twice = [name for name in POINTS if names.count(name) > 1]
        if missing or twice:
            complaints = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"twice: {', '.join(twice)}"] * bool(
                twice
            )
            raise ValueError(f"each of the ten points is answered once; {'; '.join(complaints)}")
        failing = [point.name for point in self.points if point.verdict == "fail"]
        if self.verdict == "accept" and failing:
            raise ValueError(f"the verdict is accept although {', '.join(failing)} fails: revise or reject")
        return self


# --- many experiments --------------------------------------------------------------------------

SummaryFlag = Literal[
    "artifact_over_limit",
    "train_time_over_limit",
    "eval_time_over_limit",
    "crash",
    "within_noise",
    "single_seed",
    "log_disagrees",
    "evidence_missing",
]
OVER_LIMIT: frozenset[SummaryFlag] = frozenset({"artifact_over_limit", "train_time_over_limit", "eval_time_over_limit"})
"""Flags that take an experiment out of the ranking."""


class RankedExperiment(Answer):
    """One finished run, with the numbers it is ranked by."""

    rank: Annotated[int, Field(ge=1)] | None
    """1 is the lowest val_bpb on its tier; null for a crash and for what is over a limit."""
    experiment: Name
    tier: Name
    status: Literal["keep", "discard", "crash"]
    val_bpb: FiniteFloat | None
    """Bits per byte, mean over seeds; null when it was not measured."""
    artifact_bytes: Annotated[int, Field(ge=0)] | None
    train_time_s: Annotated[FiniteFloat, Field(ge=0)] | None
    gain_bpb: FiniteFloat | None
    """Baseline's val_bpb minus this one's, positive when better; null without a baseline."""
    noise_bpb: Annotated[FiniteFloat, Field(ge=0)] | None
    """A smaller gain is noise; null when nobody repeated the baseline."""
    flags: list[SummaryFlag]
    """Limits that are exceeded, and what makes the number say less than it seems to."""
    tried: str
    """The idea, in one line."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "RankedExperiment":
        if self.rank is not None and self.val_bpb is None:
            raise ValueError(f"{self.experiment} has rank {self.rank} and no val_bpb")
        over = sorted(OVER_LIMIT & set(self.flags))
        if self.rank is not None and over:
            raise ValueError(f"{self.experiment} has rank {self.rank} although it is flagged {', '.join(over)}")
        if (self.status == "crash") != ("crash" in self.flags):
            raise ValueError(f"{self.experiment} has status {self.status} and flags {self.flags}: a crash has both")
        return self


class Anomaly(Answer):
    """Something in the runs that a person should know."""

    experiment: Name | None
    """null when it is about all of them."""
    evidence: Said
    """What was seen, with its numbers and the file they stand in."""


class ExperimentSummary(Answer):
    """Finished runs, ranked and flagged: what was tried, what came of it, where to look."""

    scope: Said
    """Which runs, e.g. "the last 10 runs"."""
    num_runs: Annotated[int, Field(ge=0)]
    """Runs looked at; `experiments` may list fewer of them."""
    best: Name | None
    """Experiment with rank 1 on the tier the newest run is on; null when none has a rank there."""
    experiments: list[RankedExperiment]
    """Tier by tier, in rank order; those without a rank last."""
    anomalies: list[Anomaly]
    look_at: list[Said]
    """What to read or repeat next, the most useful first."""
    summary: Said

    @model_validator(mode="after")
    def _is_ranked(self) -> "ExperimentSummary":
        if len(self.experiments) > self.num_runs:
            raise ValueError(f"num_runs is {self.num_runs}, and {len(self.experiments)} experiments are listed")
        for tier in dict.fromkeys(entry.tier for entry in self.experiments):
            ranked = [entry for entry in self.experiments if entry.tier == tier and entry.rank is not None]
            if [entry.rank for entry in ranked] != list(range(1, len(ranked) + 1)):
                raise ValueError(f"ranks on tier {tier} are {[entry.rank for entry in ranked]}, not 1, 2, 3, …")
            for better, worse in itertools.pairwise(ranked):
                if (better.val_bpb or 0) > (worse.val_bpb or 0):
                    raise ValueError(
                        f"rank {better.rank} ({better.experiment}, {better.val_bpb}) scores worse than "
                        f"rank {worse.rank} ({worse.experiment}, {worse.val_bpb})"
                    )
        if self.best is not None and all(
            (entry.experiment, entry.rank) != (self.best, 1) for entry in self.experiments
        ):
            raise ValueError(f"best is {self.best}, which is listed nowhere with rank 1")
        return self


# --- triage ------------------------------------------------------------------------------------

FindingKind = Literal[
    "artifact_over_limit",
    "train_time_over_limit",
    "eval_time_over_limit",
    "score_disagrees",
    "size_disagrees",
    "single_seed",
    "missing_files",
    "unreadable",
    "leakage",
    "not_causal",
    "not_normalised",
    "bytes_miscounted",
    "partial_validation",
    "other",
]


class Evidence(Answer):
    """Where a finding can be read."""

    file: Said
    """Relative to the submission's folder."""
    line: Annotated[int, Field(ge=1)] | None
    quote: Said
    """The words or number that stand there."""


class Finding(Answer):
    """One thing to know about a submission."""

    kind: FindingKind
    text: Said
    """What it is, in a sentence with its numbers."""
    evidence: list[Evidence]


class TriagedSubmission(Answer):
    """One submission: what it claims, what was found, and whether a person has to look."""

    submission: Name
    """Folder name, relative to the folder that was triaged."""
    verdict: Literal["clear", "review", "violation"]
    """violation: a rule is broken, with evidence; clear: its legality was examined and nothing found; else review."""
    track: str | None
    claimed_val_bpb: FiniteFloat | None
    """As submission.json says, else the README."""
    logged_val_bpb: FiniteFloat | None
    """Mean of the logs' final scores."""
    num_seeds: Annotated[int, Field(ge=0)]
    """Logs with a final score."""
    artifact_bytes: Annotated[int, Field(ge=0)] | None
    """The largest that its files or logs support; null when nothing does."""
    train_time_s: Annotated[FiniteFloat, Field(ge=0)] | None
    """The longest of its logs."""
    techniques: list[Name]
    findings: list[Finding]
    reason: Said
    """Why this verdict."""

    @model_validator(mode="after")
    def _is_founded(self) -> "TriagedSubmission":
        if self.verdict == "violation" and not any(finding.evidence for finding in self.findings):
            raise ValueError(f"{self.submission} is called a violation without a line of evidence")
        if self.verdict == "clear" and self.findings:
            raise ValueError(f"{self.submission} is called clear in spite of: {self.findings[0].text}")
        return self


class Triage(Answer):
    """A folder of submissions, sorted for the people who decide."""

    num_submissions: Annotated[int, Field(ge=0)]
    submissions: list[TriagedSubmission]
    """Violations first, then review, then clear."""
    summary: Said

    @model_validator(mode="after")
    def _is_whole(self) -> "Triage":
        names = [entry.submission for entry in self.submissions]
        if len(names) != self.num_submissions:
            raise ValueError(f"num_submissions is {self.num_submissions}, and {len(names)} are listed")
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise ValueError(f"listed twice: {', '.join(twice[:5])}")
        order = [("violation", "review", "clear").index(entry.verdict) for entry in self.submissions]
        if order != sorted(order):
            raise ValueError("submissions come in the order violation, review, clear")
        return self


# --- research ----------------------------------------------------------------------------------


UpTo2 = Annotated[int, Field(ge=0, le=2)]
UpTo3 = Annotated[int, Field(ge=0, le=3)]
UpTo4 = Annotated[int, Field(ge=0, le=4)]


class GradedItem(Answer):
    """One paper, pull request or post, graded for this challenge; the total is Caddie's to add up."""

    title: Said
    url: str | None
    bpb_impact: UpTo3
    """How far it can lower val_bpb."""
    size_compatibility: UpTo3
    """Whether it leaves the artifact within its bytes."""
    time_compatibility: UpTo2
    """Whether it leaves training within its seconds."""
    implementability: UpTo4
    """How surely it can be built in one script."""
    novelty: UpTo3
    """How different it is from what was tried; 0 for a repetition of a failed experiment."""
    competitor_validated: UpTo2 | None
    """Whether somebody else's run supports it; null when no competitors' results were given."""
    needs_new_dependency: bool
    needs_more_bytes: bool
    """The artifact would be over its limit."""
    needs_more_time: bool
    """Training would be over its limit."""
    techniques: list[Name]
    reason: Said
    """The grades in a sentence or two, with words from the source."""

    @property
    def is_ruled_out(self) -> bool:
        """A dependency, bytes or time the challenge does not allow: worth nothing, however good the idea."""
        return self.needs_new_dependency or self.needs_more_bytes or self.needs_more_time

    @property
    def total(self) -> int:
        """Sum of the grades, of 15 (17 with competitors)."""
        if self.is_ruled_out:
            return 0
        own = self.bpb_impact + self.size_compatibility + self.time_compatibility + self.implementability + self.novelty
        return own + (self.competitor_validated or 0)

    @property
    def tier(self) -> Literal["A", "B", "C"]:
        """A from 10, B from 7.

        Source: "Parameter Golf Auto Research" (2026-03-27), section on grading research against the constraints.
        """
        return "A" if self.total >= 10 else "B" if self.total >= 7 else "C"


class ResearchGrade(Answer):
    """Grades of what was read."""

    items: list[GradedItem]


class Tallied(Noun):
    """A graded item with its total, best first."""

    title: str
    url: str | None
    total: int
    tier: Literal["A", "B", "C"]
    ruled_out: bool
    reason: str


def tally(grades: ResearchGrade) -> list[Tallied]:
    """Totals and tiers of accepted grades, the highest first."""
    found = [
        Tallied(
            title=item.title,
            url=item.url,
            total=item.total,
            tier=item.tier,
            ruled_out=item.is_ruled_out,
            reason=item.reason,
        )
        for item in grades.items
    ]
    return sorted(found, key=lambda item: -item.total)


# --- what to do next ---------------------------------------------------------------------------

RESERVED = ("DATA_PATH", "TOKENIZER_PATH", "SEED")
"""Variables that are not an experiment's to set."""

Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Setting(Answer):
    """One of the trainer's variables."""

    name: Variable
    value: str

    @model_validator(mode="after")
    def _is_free(self) -> "Setting":
        _check_free(self.name)
        return self


class RecommendedRun(Answer):
    """A configuration worth a longer or dearer run."""

    experiment: Name | None
    """The experiment that measured it; null when nobody has played it yet."""
    settings: list[Setting]
    val_bpb: FiniteFloat | None
    """As measured; null when it was not."""
    reason: Said

    @model_validator(mode="after")
    def _is_measured(self) -> "RecommendedRun":
        if self.experiment is None and self.val_bpb is not None:
            raise ValueError(f"val_bpb {self.val_bpb} has no experiment that measured it")
        return self


class SweptVariable(Answer):
    """A variable and the values still worth trying."""

    name: Variable
    values: list[str]
    """At least two, each once."""
    reason: Said

    @model_validator(mode="after")
    def _is_swept(self) -> "SweptVariable":
        _check_free(self.name)
        if len(self.values) < 2 or len(set(self.values)) < len(self.values):
            raise ValueError(f"{self.name} needs at least two values, each once (got {self.values})")
        return self


class SweepRecommendation(Answer):
    """What a sweep showed: the runs to take further, and the values to try next."""

    parent: Name
    """The experiment whose script and settings everything else keeps."""
    hypothesis: Said
    recommended: list[RecommendedRun]
    """At most three, the best first."""
    sweep: list[SweptVariable]
    """The next grid; empty when the sweep is done."""
    max_runs: Annotated[int, Field(ge=0)]
    """Runs to spend on that grid at most."""
    stop_rule: Said
    """When to give the sweep up, in numbers."""
    reason: Said

    @model_validator(mode="after")
    def _is_bounded(self) -> "SweepRecommendation":
        if len(self.recommended) > 3:
            raise ValueError(f"at most three runs are recommended (got {len(self.recommended)})")
        names = [variable.name for variable in self.sweep]
        if len(set(names)) < len(names):
            raise ValueError(f"a variable is swept once (got {', '.join(names)})")
        points = math.prod(len(variable.values) for variable in self.sweep) if self.sweep else 0
        if not self.sweep and self.max_runs:
            raise ValueError(f"max_runs is {self.max_runs}, and nothing is left to sweep")
        if self.sweep and not 1 <= self.max_runs <= points:
            raise ValueError(f"max_runs is {self.max_runs}; the grid has {points} points")
        return self


class Direction(Answer):
    """An experiment to play next, with all that its claim needs."""

    slug: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,79}$")]
    """A name for it: a-z, 0-9, '-', '_' and '.'."""
    parent: Name | None
    """The experiment it changes; null for a start from scratch."""
    family: Name
    """Technique family, such as tokenizer, depth recurrence, quantisation, optimiser."""
    hypothesis: Said
    expected_gain_bpb: FiniteFloat | None
    """null when nothing supports a number."""
    rollback_criteria: Said
    expected_artifact_bytes: Annotated[int, Field(ge=0)] | None
    already_tried: list[Name]
    """Experiments nearest to it; empty when the direction is unexplored."""
    reason: Said


class Avoided(Answer):
    """A direction not worth a run."""

    what: Said
    reason: Said


class NextDirections(Answer):
    """Where to go next, the most promising first."""

    directions: list[Direction]
    avoid: list[Avoided]
    summary: Said

    @model_validator(mode="after")
    def _are_different(self) -> "NextDirections":
        slugs = [direction.slug for direction in self.directions]
        if len(set(slugs)) < len(slugs):
            raise ValueError(f"each direction has a name of its own (got {', '.join(slugs)})")
        return self


def _check_free(name: str) -> None:
    if name in RESERVED:
        raise ValueError(f"{name} is not an experiment's to set")


# --- schemas -----------------------------------------------------------------------------------

ANSWERS: Mapping[str, type[Answer]] = {
    "review": Review,
    "experiment-summary": ExperimentSummary,
    "triage": Triage,
    "research-grade": ResearchGrade,
    "sweep-recommendation": SweepRecommendation,
    "next-directions": NextDirections,
}
"""Schema name to model."""

KEPT = ("description", "type", "enum")
"""Keywords of a value that strict mode takes everywhere, fine-tuned models included."""


def answer(name: str) -> type[Answer]:
    """The model behind a schema's name.

    Raises:
        NotFound: there is no such schema; the message lists those there are.
    """
    try:
        return ANSWERS[name]
    except KeyError:
        raise NotFound(f"no schema {name[:60]!r}; there are: {', '.join(ANSWERS)}") from None


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema for `--output-schema`, within the strict subset.

    Raises:
        NotFound: as `answer`.
    """
    whole = answer(name).model_json_schema()
    strict = _strict(whole)
    if "$defs" in whole:
        strict["$defs"] = {key: _strict(value) for key, value in whole["$defs"].items()}
    return strict


def _strict(value: Mapping[str, Any]) -> dict[str, Any]:
    """`value` with what strict mode knows; the rest is checked by `read`."""
    if "$ref" in value:  # the API refuses a reference with anything beside it
        return {"$ref": value["$ref"]}
    kept = {key: value[key] for key in KEPT if key in value}
    if "anyOf" in value:
        kept["anyOf"] = [_strict(option) for option in value["anyOf"]]
    if "minimum" in value and "maximum" in value:
        kept["enum"] = list(range(value["minimum"], value["maximum"] + 1))
    if "items" in value:
        kept["items"] = _strict(value["items"])
    if "properties" in value:
        kept["properties"] = {key: _strict(item) for key, item in value["properties"].items()}
        kept["required"] = list(value["properties"])
        kept["additionalProperties"] = False
    return kept


def text(name: str) -> str:
    """The schema as it stands in `schemas/`."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


# --- accepting ---------------------------------------------------------------------------------


def read(name: str, data: bytes) -> Answer:
    """The answer in `data`, when it is one JSON object that says what schema `name` asks for.

    Raises:
        NotFound: there is no such schema.
        UnreadableInput: it is empty, too long, not UTF-8, not JSON, or JSON with something around it.
        BadConfig: it is JSON and not such an answer; a line for each thing that is wrong.
    """
    model = answer(name)
    if len(data) > ANSWER_BYTES_MAX:
        raise UnreadableInput(
            f"the answer is over {ANSWER_BYTES_MAX:_} bytes long and was not read: ask about less at once"
        )
    try:
        words = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableInput(f"the answer is not UTF-8 text (byte {error.start}): {_AGAIN}") from None
    value = _object(words)
    try:
        return model.model_validate(value, strict=True)
    except ValidationError as error:
        problems = _problems(error)
        count = f"{len(problems)} problem{'s' * (len(problems) > 1)}"
        raise BadConfig(
            "\n".join([f"this is no {name} answer, {count}:", *problems, f"What it must be: golf schema {name}"])
        ) from None


def contradictions(answer: Answer, facts: Answer) -> list[str]:
    """Where a summary or triage says other numbers than were measured, a line each.

    A model may round a score to four decimals and leave runs out; it may not invent one, nor clear a submission
    that the facts have a finding on.

    Raises:
        BadConfig: the two are not of one kind, or of a kind without measured numbers.
    """
    match answer, facts:
        case ExperimentSummary(), ExperimentSummary():
            return _other_runs(answer, facts)
        case Triage(), Triage():
            return _other_submissions(answer, facts)
    raise BadConfig("facts are an experiment-summary or a triage, and of the same kind as the answer")


def _other_runs(answer: ExperimentSummary, facts: ExperimentSummary) -> list[str]:
    found = []
    for said in answer.experiments:
        known = [run for run in facts.experiments if (run.experiment, run.tier) == (said.experiment, said.tier)]
        if not known:
            found.append(f"{said.experiment} on tier {said.tier} is no run among the facts")
        elif all(run.status != said.status or _differing(said, run, RUN_NUMBERS) for run in known):
            names = _differing(said, known[0], RUN_NUMBERS) or ["status"]
            found.append(f"{said.experiment}: {_versus(said, known[0], names)}")
    return found


def _other_submissions(answer: Triage, facts: Triage) -> list[str]:
    known = {entry.submission: entry for entry in facts.submissions}
    names = {entry.submission for entry in answer.submissions}
    found = [f"{name} is missing" for name in known if name not in names]
    for said in answer.submissions:
        fact = known.get(said.submission)
        if fact is None:
            found.append(f"{said.submission} is no submission among the facts")
        elif names_ := _differing(said, fact, SUBMISSION_NUMBERS):
            found.append(f"{said.submission}: {_versus(said, fact, names_)}")
        elif said.verdict == "clear" and fact.findings:
            found.append(f"{said.submission} is called clear in spite of: {fact.findings[0].text}")
        elif fact.verdict == "violation" and said.verdict != "violation":
            found.append(f"{said.submission} is called {said.verdict} in spite of: {fact.reason}")
    return found


RUN_NUMBERS = ("val_bpb", "artifact_bytes", "train_time_s", "gain_bpb", "noise_bpb")
SUBMISSION_NUMBERS = ("claimed_val_bpb", "logged_val_bpb", "num_seeds", "artifact_bytes", "train_time_s")


def _differing(said: Answer, fact: Answer, names: Sequence[str]) -> list[str]:
    def is_same(name: str) -> bool:
        one, other = getattr(said, name), getattr(fact, name)
        if one is None or other is None:
            return one is other
        loose = 0.5 if name.endswith("_s") else 0.5e-4 if "bpb" in name else 0
        return abs(one - other) <= loose * (1 + 1e-9)

    return [name for name in names if not is_same(name)]


def _versus(said: Answer, fact: Answer, names: Sequence[str]) -> str:
    return ", ".join(f"{name} is said to be {getattr(said, name)}, and is {getattr(fact, name)}" for name in names)


_AGAIN = "ask Codex again with --output-schema, do not repair it by hand"


def _object(text: str) -> dict[str, Any]:
    if not text.strip():
        raise UnreadableInput(f"Codex wrote an empty answer (it ends well even so): {_AGAIN}")
    stripped = text.strip()
    if stripped.startswith(("```", "~~~")):
        raise UnreadableInput(
            f"the answer is fenced in Markdown, and only the JSON object itself is accepted: {_AGAIN}"
        )
    try:
        value = json.loads(stripped, parse_constant=_refuse, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        if error.msg == "Extra data" and stripped[0] == "{":
            raise UnreadableInput(f"the answer goes on after its JSON object ({where}): {_AGAIN}") from None
        if stripped[0] != "{" and "{" in stripped:
            raise UnreadableInput(f"text stands before the JSON object ({stripped[:40]!r} …): {_AGAIN}") from None
        raise UnreadableInput(
            f"the answer is not JSON: {error.msg} at {where}; it may have been cut short: {_AGAIN}"
        ) from None
    except RecursionError:
        raise UnreadableInput(f"the answer is nested too deeply to be one: {_AGAIN}") from None
    except ValueError as error:  # our own two refusals, and whole numbers of thousands of digits
        raise UnreadableInput(f"the answer is not JSON as we take it: {str(error)[:200]}: {_AGAIN}") from None
    if not isinstance(value, dict):
        raise UnreadableInput(f"the answer is JSON and not an object but a {type(value).__name__}: {_AGAIN}")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number that JSON has")


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)[:60]!r} stands twice in one object")
    return found


def _problems(error: ValidationError, most: int = 20) -> list[str]:
    found = []
    for item in error.errors(include_url=False):
        where = ".".join(str(key) for key in item["loc"])
        said = item["msg"].removeprefix("Value error, ")
        given = "" if item["type"] in ("missing", "value_error") else f" (got {_short(item['input'])})"
        found.append(f"  {where + ': ' if where else ''}{said}{given}")
    return found[:most] + [f"  and {len(found) - most} more"] * (len(found) > most)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _write(folder: Path) -> None:
    for name in ANSWERS:
        (folder / f"{name}.json").write_text(text(name), encoding="utf-8")
        print(folder / f"{name}.json")


if __name__ == "__main__":
    _write(Path(sys.argv[1] if len(sys.argv) > 1 else "schemas"))
