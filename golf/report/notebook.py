"""How the experiment notebook's check is shown."""

from collections import Counter

from golf.desk.notebook.notebook import Notebook
from golf.report import render
from golf.report.render import Fact, Table, View

FINDINGS_MAX = 40
ROWS_MAX = 40


@render.view.register
def _(noun: Notebook) -> View:
    count = Counter(one.order for one in noun.experiments)
    severities = Counter(one.severity for one in noun.findings)
    orders = ", ".join(f"{number} {order}" for order, number in sorted(count.items()))
    facts: list[Fact | Table] = [
        Fact("experiments", f"{len(noun.experiments)}{f': {orders}' if orders else ''}"),
        *([Fact("since", noun.since)] if noun.since else []),
        Fact("errors", severities["error"]),
        Fact("cannot_tell", severities["warning"]),
    ]
    for one in noun.findings[:FINDINGS_MAX]:
        facts += [
            Fact(one.severity, f"{one.code}: {one.text}"),
            Fact("  at", f"{one.file}:{one.line}{f': {one.quote}' if one.quote else ''}"),
            Fact("  fix", one.fix),
        ]
    if len(noun.findings) > FINDINGS_MAX:
        facts.append(Fact("more", f"{len(noun.findings) - FINDINGS_MAX} more findings (all of them: --json)"))
    shown = noun.experiments[:ROWS_MAX]
    rows = [(one.experiment, one.order, one.reason) for one in shown]
    facts.append(Table("experiment", ("experiment", "_order", "_why"), rows))
    if len(noun.experiments) > ROWS_MAX:
        facts.append(Fact("more", f"{len(noun.experiments) - ROWS_MAX} more experiments (all of them: --json)"))
    return View("notebook", facts)
