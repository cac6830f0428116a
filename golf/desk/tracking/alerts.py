"""What deserves an alert: what a look at the curves finds, and a budget near its limit. Nothing is decided here."""

from pathlib import Path

from golf.desk.diagnosis import symptoms
from golf.desk.series import read_run
from golf.desk.tracking.tracker import Alert, Level
from golf.errors import GolfError
from golf.play import settlement
from golf.play.budget import BudgetBook
from golf.workspace import TierSettings, Workspace

LEVELS: dict[str, Level] = {"error": "error", "warning": "warn"}
"""Of a trouble's severity; a note is no alert."""


def of_curves(path: Path) -> list[Alert]:
    """What `golf diagnose` finds in the curves of a log or a metrics file, one alert per kind, the worst first."""
    try:
        run = read_run(path, path.name)
    except GolfError:  # nothing to see yet
        return []
    found: dict[str, Alert] = {}
    for one in symptoms.of_curves(run, None):
        if (level := LEVELS.get(one.severity)) is not None:
            text = f"{one.text}. {one.advice}"
            found.setdefault(one.code, Alert(one.code, text, level, one.first_step or 0))
    return sorted(found.values(), key=lambda alert: alert.level != "error")


def of_budget(workspace: Workspace, tier: TierSettings) -> list[Alert]:
    """The budget's own words, where the run costs money and the next one is refused or allowed with a warning."""
    if settlement.is_free(tier):
        return []
    budget = BudgetBook(workspace.database, workspace.config.budget).state()
    if budget.verdict not in ("warning", "blocked"):
        return []
    return [Alert("BUDGET", budget.message, "warn" if budget.verdict == "warning" else "error")]
