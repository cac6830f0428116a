"""An answer against what was measured."""

from collections.abc import Sequence

from golf.answers.base import Answer
from golf.answers.runs import ExperimentSummary
from golf.answers.submissions import VERDICTS, Triage
from golf.errors import BadConfig

RUN_NUMBERS = ("val_bpb", "artifact_bytes", "train_time_s", "gain_bpb", "noise_bpb")
SUBMISSION_NUMBERS = ("claimed_val_bpb", "logged_val_bpb", "num_seeds", "artifact_bytes", "train_time_s")


def contradictions(answer: Answer, facts: Answer) -> list[str]:
    """Where a summary or triage says other numbers than were measured, a line each.

    A model may round a score to four decimals and leave runs out; it may not invent one, nor judge a submission more
    mildly than the facts do.

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
        elif VERDICTS.index(said.verdict) > VERDICTS.index(fact.verdict):
            found.append(f"{said.submission} is called {said.verdict} in spite of: {fact.reason}")
    return found


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
