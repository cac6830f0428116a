"""The critic's desk: a sheet of facts before there is an opinion, and a verdict bound to what was read.

The sheet says `pass` or `fail` only where something was measured; everything else is `unknown`, which is
the critic's work. A verdict carries the hash of the change it was reached on (`change.diff_sha256`);
one byte later, or after a repetition of the run, it counts no more.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from golf import durable, rules
from golf.answers import Review
from golf.errors import BadConfig, GolfError, RuleBroken, UnreadableInput
from golf.play import change as changes
from golf.play import contamination, experiments, notes
from golf.referee import conflicts
from golf.rulings import CODES, Code, Finding
from golf.schema import Experiment, Gate, Note, Result, Sheet, SheetPoint
from golf.workspace import Workspace, describe

REVIEW = "review.json"
CRITIC = "critic"

ABOUT: Mapping[str, tuple[Code, ...]] = {
    "leakage": (
        "VAL_IN_ARTIFACT", "NETWORK", "VAL_IN_TRAINING", "TRAIN_DATA_AT_EVAL", "GPTQ_CALIB_AT_EVAL_ON_TRAIN",
        "GPTQ_CALIB_ON_VAL", "TTT_PREQUANT_VAL", "TTT_WARMUP_ON_VAL", "CUSTOM_LIB",
    ),
    "causality": (
        "TTT_TRAIN_THEN_SCORE", "TTT_MULTI_EPOCH_RESCORE", "TWO_PASS_RESCORE", "SLOT_NONCAUSAL", "BOS_LEAK",
        *(code for code in CODES if code.startswith(("NGRAM_", "PPM_"))),
    ),
    "bytes": ("BPB_MISCOUNT", "TOKENIZER_LOSSY", "PARTIAL_VAL", "DATA_MISMATCH"),
}  # fmt: skip
"""The sheet's points that the referee has something to say on; the rest of its codes are about publishing."""

TWINS_LOOKED_AT = 200
"""Newest other experiments that a candidate is compared with, byte for byte."""


def sheet(workspace: Workspace, name: str) -> Sheet:
    """The facts about a played experiment; writes the whole change to a file for whoever reads it.

    Raises:
        NotFound: no such experiment.
        UnreadableInput: it has not been played to a score.
    """
    folder = experiments.find(workspace, name)
    experiment = experiments.load(folder)
    result = experiments.read_result(folder)
    if result is not None and (changed := changes.edited(workspace, folder, result.commit)):
        raise RuleBroken(
            f"{', '.join(changed)} of {folder.name} was edited after its run: what would be reviewed is not what was "
            f"scored. Restore it (git show {result.commit[:12]}:…), or play the change as an experiment of its own"
        )
    if result is None or result.promotion is None:
        raise UnreadableInput(
            f"{folder.name} has no score yet: there is nothing to review. Play it first: {_play(folder)}"
        )
    change = changes.change(workspace, folder)
    digest = changes.diff_sha256(workspace, folder)
    diff = workspace.state / "diffs" / f"{folder.name}.diff"
    durable.replace(diff, change.diff)
    return Sheet(
        experiment=folder.name,
        parent=experiment.parent,
        tier=result.tier,
        hypothesis=experiment.hypothesis,
        diff_sha256=digest,
        change=_in_short(change),
        diff_path=str(diff.relative_to(workspace.root)),
        diff_uri=f"golf://diff/{folder.name}",
        points=_points(workspace, folder, experiment, result, change),
        standing=review_gate(workspace, folder).reason,
    )


def record(
    workspace: Workspace,
    name: str,
    *,
    by: str,
    verdict: str | None,
    reason: str,
    diff_sha256: str | None,
    points: Mapping[str, str] | None,
) -> Note:
    """Take a critic's verdict: into review.json beside the experiment, and into the shared channel.

    Args:
        workspace: Where the experiment lies.
        name: The experiment.
        by: Who reached the verdict.
        verdict: accept, revise or reject.
        reason: In a sentence or two.
        diff_sha256: The hash on the sheet that was read.
        points: Each of the sheet's points to `pass: evidence`, `fail: evidence` or `unknown: evidence`.

    Raises:
        BadConfig: a point is missing, the verdict contradicts the points, or the change is not the one now there.
    """
    folder = experiments.find(workspace, name)
    listed = []
    for point, said in (points or {}).items():
        word, _, evidence = said.partition(":")
        listed.append({"name": point, "verdict": word.strip().lower(), "evidence": evidence.strip()})
    try:
        answer = Review.model_validate(
            {
                "experiment": folder.name,
                "diff_sha256": diff_sha256,
                "verdict": verdict,
                "points": listed,
                "reason": reason,
            }
        )
    except ValidationError as error:
        raise BadConfig(
            f"the verdict was not taken: {describe(error)}. It names diff_sha256 from review_submission and answers "
            "each of its points with 'pass: evidence', 'fail: evidence' or 'unknown: evidence'"
        ) from error
    return accept(workspace, answer, by=by)


def accept(workspace: Workspace, answer: Review, *, by: str) -> Note:
    """Take a whole review, as `schemas/review.json` describes it.

    Raises:
        NotFound: it is about no experiment here.
        BadConfig: it was reached on another change than the one now there.
    """
    folder = experiments.find(workspace, answer.experiment)
    if by != CRITIC and not by.startswith("human:"):
        raise BadConfig(f"a verdict is a critic's or a human's (got {by!r})")
    now = changes.diff_sha256(workspace, folder)
    if answer.diff_sha256 != now:
        raise BadConfig(
            f"the verdict is about change {answer.diff_sha256[:12]}…, and {folder.name} is now {now[:12]}…: it was "
            "edited or played again since. Read the sheet again: review_submission"
        )
    durable.replace_json(
        folder / REVIEW, {"review": answer.model_dump(mode="json"), "diff_sha256": now, "by": by, "at": _now()}
    )
    return notes.add(  # last: without the note the review counts for nothing
        workspace,
        by=by,
        kind="verdict",
        text=answer.reason,
        experiment=folder.name,
        diff_sha256=now,
        verdict=answer.verdict,
    )


def review_gate(workspace: Workspace, folder: Path) -> Gate:
    """Whether a fresh verdict lets the experiment on to paid compute."""
    now = changes.diff_sha256(workspace, folder)
    last = None
    for note in notes.read(workspace):
        if note.experiment != folder.name:
            continue
        if note.kind == "verdict" and (note.by == CRITIC or note.by.startswith("human:")):
            last = note
    if last is None:
        return _gate("fail", "no critic has looked at this change: spawn the critic, who starts with review_submission")
    if last.diff_sha256 != now:
        return _gate(
            "fail", f"the verdict '{last.verdict}' is about an earlier state of this experiment: review it again"
        )
    if last.verdict != "accept":
        return _gate("fail", f"the critic says {last.verdict}: {last.text}")
    try:
        answer = Review.model_validate(json.loads((folder / REVIEW).read_text(encoding="utf-8"))["review"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return _gate("fail", f"{REVIEW} is not a review ({type(error).__name__}): spawn the critic again")
    if (answer.experiment, answer.diff_sha256, answer.verdict) != (folder.name, now, last.verdict):
        return _gate("fail", f"{REVIEW} is not the review that was recorded: spawn the critic again")
    return _gate("pass", f"accepted by {last.by}: {last.text}")


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _gate(verdict: str, reason: str) -> Gate:
    return Gate.model_validate({"name": "review", "verdict": verdict, "reason": reason})


def _points(
    workspace: Workspace, folder: Path, experiment: Experiment, result: Result, change: changes.Change
) -> list[SheetPoint]:
    assert result.promotion is not None
    gates = {gate.name: gate for gate in result.promotion.gates}
    script = folder / experiment.script
    scripts = {script, experiments.model_script(script)}
    source = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in scripts)
    found = contamination.findings(folder, result)
    facts = {
        "gain": (gates["promotion"].verdict, gates["promotion"].reason),
        "significance": (gates["noise"].verdict, gates["noise"].reason),
        "size": (gates["size"].verdict, gates["size"].reason),
        "time": _time(workspace, result),
        "leakage": _ruled(found, "leakage", _leakage(change)),
        "causality": _ruled(found, "causality", _causality(change)),
        "bytes": _ruled(found, "bytes", _bytes(result)),
        "simplicity": _simplicity(result, change),
        "provenance": _provenance(workspace, folder, experiment),
        "conflicts": _conflicts(source, result.settings),
    }
    return [
        SheetPoint.model_validate({"name": name, "verdict": verdict, "fact": fact})
        for name, (verdict, fact) in facts.items()
    ]


def _time(workspace: Workspace, result: Result) -> tuple[str, str]:
    limit = workspace.challenge.train_time_s_max
    if result.train_time_s is None:
        return "unknown", "the trainer's log does not say how long it trained"
    walls = [seed.wall_time_s for seed in result.seeds if seed.wall_time_s is not None]
    spent = (
        f"trained {result.train_time_s:.0f} s by its log, {max(walls, default=0):.0f} s in all, on tier {result.tier}"
    )
    if workspace.tier(result.tier).gpus < 8:
        return "unknown", f"{spent}; the limit of {limit:.0f} s holds on 8 GPUs: does the change cost time per step?"
    if result.train_time_s > limit:
        return "fail", f"{spent}, limit {limit:.0f} s"
    return ("pass" if walls and max(walls) <= limit else "unknown"), f"{spent}, limit {limit:.0f} s"


def _ruled(found: Sequence[Finding], point: str, otherwise: tuple[str, str]) -> tuple[str, str]:
    """The worst finding of the referee about a point; what was known without it where it has none."""
    about = [finding for finding in found if finding.code in ABOUT[point] and finding.severity != "note"]
    if not about:
        return otherwise
    worst = about[0]
    lines = "; ".join(f"{one.file}:{one.line}" for one in worst.evidence[:3])
    return "fail" if worst.severity == "block" else "unknown", f"{worst.code}: {worst.text} ({lines})"


def _leakage(change: changes.Change) -> tuple[str, str]:
    """Never a pass: what a script reads is not known from its text."""
    named = [line.strip() for line in change.added if re.search(r"(?<![a-z])val(idation)?(?![a-z])", line, re.I)]
    if named:
        return (
            "unknown",
            f"{len(named)} added lines name validation: {named[0][:60]}. Does training ever see that text?",
        )
    if not change.is_code:
        return "unknown", "only settings differ from its parent: was the parent clean, and does a setting name data?"
    return "unknown", "no added line names validation data; read whether training reaches it another way"


def _causality(change: changes.Change) -> tuple[str, str]:
    """Never a pass: the parent may look ahead as well."""
    if not change.is_code:
        return "unknown", "the code is its parent's: was the parent causal?"
    if change.others:
        return "unknown", f"beside the script {', '.join(change.others[:4])} differs: may a position see a later token?"
    if change.functions is None:
        return "unknown", "the script does not parse: what changed could not be named"
    names = ", ".join(change.functions[:6]) + (" …" if len(change.functions) > 6 else "")
    return "unknown", f"changed: {names or 'comments only'}. May a position see a later token?"


def _bytes(result: Result) -> tuple[str, str]:
    apart = [abs(seed.logged_val_bpb - seed.val_bpb) for seed in result.seeds if seed.logged_val_bpb is not None]
    if not apart:
        return "unknown", "the log claims no score; Caddie measured it on the artifact, counting the text's own bytes"
    agrees = all(difference <= rules.DISAGREEMENT_BPB for difference in apart)  # a NaN does not
    return "pass" if agrees else "fail", (
        f"log and measurement differ by {max(apart):.6f} BPB at most over {len(apart)} seeds, "
        f"allowed {rules.DISAGREEMENT_BPB:g}"
    )


def _simplicity(result: Result, change: changes.Change) -> tuple[str, str]:
    assert result.promotion is not None
    delta = result.promotion.line_delta
    if delta is None:
        return "unknown", "no parent to compare with"
    return ("pass" if delta <= 0 else "unknown"), (
        f"{delta:+d} code lines ({len(change.added)} added, {len(change.removed)} removed)"
        f"{': is the gain worth them?' if delta > 0 else ''}"
    )


def _provenance(workspace: Workspace, folder: Path, experiment: Experiment) -> tuple[str, str]:
    """Where it comes from, and whether the same thing was tried before; likeness to others' work is not known here."""
    script = (folder / experiment.script).read_bytes()
    others = [
        path for path in workspace.experiments.iterdir() if path != folder and (path / experiments.CONFIG).exists()
    ]
    looked_at = sorted(others, reverse=True)[:TWINS_LOOKED_AT]
    for other in looked_at:
        theirs = other / experiment.script
        if theirs.is_file() and theirs.stat().st_size == len(script) and theirs.read_bytes() == script:
            try:
                twin = experiments.load(other)
            except GolfError:  # a neighbour's damage is not this one's
                continue
            if (twin.env, twin.tier) == (experiment.env, experiment.tier):
                return "fail", f"the same script and settings as {other.name}"
    if experiment.parent is None:
        return "unknown", f"no parent is named; differs from the last {len(looked_at)} experiments"
    return (
        "unknown",
        f"changes {experiment.parent}; differs from the last {len(looked_at)} experiments. Is it known-invalid work?",
    )


def _conflicts(source: str, settings: Mapping[str, str]) -> tuple[str, str]:
    text = source + "\n" + "\n".join(f"{key}={value}" for key, value in settings.items())
    found = conflicts.conflicts(text)
    if not found:
        return "pass", "no pair of techniques known to conflict is named in script or settings"
    row = found[0]
    return "unknown", f"names {' and '.join(row.names)}: {row.why}. Are both on?"


def _in_short(change: changes.Change) -> str:
    settings = [f"{key}: {was} -> {now}" for key, (was, now) in change.settings.items()]
    code = [f"script +{len(change.added)} -{len(change.removed)} lines"] if change.is_code else []
    others = [f"{len(change.others)} other files"] if change.others else []
    return "; ".join(settings[:6] + code + others) or "nothing differs from the parent"


def _play(folder: Path) -> str:
    return f"golf run {folder.name}"
