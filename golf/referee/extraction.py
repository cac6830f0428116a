"""One submission as its own files state it: author, track, seeds, scores, parents and claims, in one spelling.

What is logged comes from the logs, what is claimed from submission.json and else from the README; the two are kept
apart, and `golf.referee.reconcile` says where they part. A fact that no file settles is None with its reason.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from golf.referee import chosen, facts, headline, lineage, stated
from golf.referee.case import Case
from golf.referee.chosen import Choice
from golf.referee.texts import TextFile
from golf.rulings import Submission, SubmittedSeed
from golf.schema import TrainingLog

TRAINED = ("artifact_bytes", "train_time_s", "steps", "code_bytes")
"""What a log that only scored leaves to the log that trained."""

SPELLED = {"val_bpb": "final_bpb", "val_loss": "final_loss"}
"""Our names for a seed's numbers → a log's."""


def extract(case: Case, pr: int | None = None) -> Submission:
    """Fill in a submission; `pr` is the pull request it came with, where the caller knows it."""
    readme = case.readmes[0] if case.readmes else TextFile("README.md", "")
    said = stated.read(case.json)
    choice = chosen.choose(case.logs, said, readme.text, lambda log: _name(case, log))
    seeds = [_seed(case, log, choice.also.get(log.path)) for log in choice.logs]
    scores = [seed.val_bpb for seed in seeds if seed.val_bpb is not None]
    claim, where = headline.headline(case.json, readme, said, scores)
    stands = facts.read(case.folder, case.json, readme, pr)
    measured: dict[str, Any] = {
        "val_bpb": math.fsum(scores) / len(scores) if scores else None,
        "val_bpb_std": statistics.stdev(scores) if len(scores) > 1 else None,
        "artifact_bytes": _largest(seed.artifact_bytes for seed in seeds),
        "train_time_s": _largest(seed.train_time_s for seed in seeds),
        "eval_time_s": _largest(seed.eval_time_s for seed in seeds),
    }
    missing = {name: "no file states it" for name, value in stands.items() if value is None}
    missing |= {name: _why(name, seeds, choice) for name, value in measured.items() if value is None}
    if claim is None:
        missing["claimed_val_bpb"] = where
    own = [stands["folder"], f"#{stands['pr']}"]
    return Submission(
        **stands,
        **measured,
        parents=lineage.parents(case.json, readme.lines, own),
        claims=list(headline.claims(readme)),
        claimed_val_bpb=claim,
        claimed_from=_claimed_from(where, claim, seeds, choice) if claim is not None else None,
        claimed_val_loss=said.loss if said.loss != claim else None,
        claimed_bytes=said.bytes,
        seeds=seeds,
        missing=missing,
    )


def _name(case: Case, log: TrainingLog) -> str:
    text = case.log_texts.get(log.path)
    return text.name if text else log.path


def _seed(case: Case, log: TrainingLog, trained: TrainingLog | None) -> SubmittedSeed:
    """One seed's numbers; those of training from the log that trained, where the chosen one only scored."""
    names = ("seed", "val_bpb", "val_loss", "artifact_bytes", "train_time_s", "eval_time_s", "steps")
    values: dict[str, Any] = {name: getattr(log, SPELLED.get(name, name)) for name in names}
    values["code_bytes"] = _code_bytes(log)
    if trained is not None:
        others: dict[str, Any] = {"code_bytes": _code_bytes(trained)}
        for name in TRAINED:
            if values[name] is None:
                values[name] = others.get(name, getattr(trained, name, None))
    missing = {
        name: log.missing.get(SPELLED.get(name, name), "no line states it")
        for name, value in values.items()
        if value is None
    }
    also = [_name(case, trained)] if trained is not None else []
    return SubmittedSeed(log=_name(case, log), also=also, missing=missing, **values)


def _code_bytes(log: TrainingLog) -> int | None:
    """Code as the log's total counts it: packed where it is packed."""
    return next((log.code_bytes[kind] for kind in ("compressed", "plain") if kind in log.code_bytes), None)


def _largest(values: Iterable[Any]) -> Any:
    return max((value for value in values if value is not None), default=None)


def _why(name: str, seeds: Sequence[SubmittedSeed], choice: Choice) -> str:
    if not seeds:
        return choice.reason
    if name == "val_bpb_std" and any(seed.val_bpb is not None for seed in seeds):
        return "one seed alone does not spread"
    return next((reason for seed in seeds if (reason := seed.missing.get(name))), "no log states it")


def _claimed_from(where: str, claim: float, seeds: Sequence[SubmittedSeed], choice: Choice) -> str:
    others = f"; {choice.left_out} other logs are not its own: {choice.reason}" if choice.left_out else ""
    return f"{where}: {headline.which_of(claim, seeds)}{others}"
