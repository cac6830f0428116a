"""Caddie's library: measure, play, record. Every door (command line, MCP tools) is a call into it.

    >>> import golf
    >>> golf.measure_artifact(Path("experiments/2026-11-21_baseline/artifact/seed1337")).headroom_bytes

Names are loaded on first use: `import golf` stays light, and torch is only ever imported in jobs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from golf.errors import GolfError, RuleBroken, UnreadableInput
    from golf.measure.artifact import measure_artifact
    from golf.measure.bpb import evaluate_bpb
    from golf.measure.logs import folder_logs, read_log
    from golf.play.budget import BudgetBook
    from golf.play.history import history
    from golf.play.promotion import check_promotion
    from golf.play.start import start_evaluation, start_run
    from golf.workspace import Workspace

_HOMES = {
    "BudgetBook": "golf.play.budget",
    "GolfError": "golf.errors",
    "RuleBroken": "golf.errors",
    "UnreadableInput": "golf.errors",
    "Workspace": "golf.workspace",
    "check_promotion": "golf.play.promotion",
    "evaluate_bpb": "golf.measure.bpb",
    "folder_logs": "golf.measure.logs",
    "history": "golf.play.history",
    "measure_artifact": "golf.measure.artifact",
    "read_log": "golf.measure.logs",
    "start_evaluation": "golf.play.start",
    "start_run": "golf.play.start",
}

__all__ = [
    "BudgetBook",
    "GolfError",
    "RuleBroken",
    "UnreadableInput",
    "Workspace",
    "check_promotion",
    "evaluate_bpb",
    "folder_logs",
    "history",
    "measure_artifact",
    "read_log",
    "start_evaluation",
    "start_run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'golf' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
