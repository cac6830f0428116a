"""How an audit of reproducibility is shown; whatever a stranger wrote is cleaned by the writer."""

from golf.desk.repro.repetition import Repetition
from golf.desk.repro.reproducibility import Reproducibility
from golf.report import render
from golf.report.render import Fact, View

FINDINGS_MAX = 60
"""Findings that are shown; `--json` has them all."""


@render.view.register
def _(noun: Reproducibility) -> View:
    facts = [
        Fact("scripts", noun.scripts[0] if len(noun.scripts) == 1 else len(noun.scripts)),
        Fact("files_read", noun.num_files),
        Fact("errors", noun.errors),
        Fact("warnings", noun.warnings),
    ]
    for one in noun.findings[:FINDINGS_MAX]:
        facts += [
            Fact(one.severity, f"{one.code}: {one.text}"),
            Fact("  at", f"{one.file}:{one.line}: {one.quote}"),
            Fact("  fix", one.fix),
        ]
    if len(noun.findings) > FINDINGS_MAX:
        facts.append(Fact("more", f"{len(noun.findings) - FINDINGS_MAX} more findings (all of them: --json)"))
    facts += [Fact("not_read", f"{name}: {why}") for name, why in list(noun.not_read.items())[:20]]
    if noun.repetition is not None:
        facts += _repetition(noun.repetition)
    return View(f"reproducibility of {noun.path}", facts)


@render.view.register
def _(noun: Repetition) -> View:
    return View(f"repetition of {noun.target}", _repetition(noun))


def _repetition(noun: Repetition) -> list[Fact]:
    facts = [
        Fact("repeated", f"{noun.runs} runs of seed {noun.seed} on tier {noun.tier}"),
        Fact("repetition", noun.verdict),
        Fact("reason", noun.reason),
        Fact("precision", noun.precision),
        Fact("agree_to_step", "none" if noun.agree_to_step is None else noun.agree_to_step),
        Fact("last_steps", noun.last_steps),
    ]
    if noun.first_difference is not None:
        values = ", ".join("none" if value is None else repr(value) for value in noun.first_difference.values)
        where = f"{noun.first_difference.quantity} at step {noun.first_difference.step}"
        facts.append(Fact("first_difference", f"{where}: {values}"))
    if noun.same_weights is not None:
        facts.append(Fact("same_weights", noun.same_weights))
    return [
        *facts,
        Fact("train_times_s", noun.train_times_s),
        Fact("commit", noun.commit[:12]),
        Fact("folder", noun.folder),
    ]
