"""Which model, at which reasoning effort, for which kind of work: `golf route TASK`.

The one place that says so: role files, skills and pipelines take it from here, and `[route]` in golf.toml overrides
it. The table keeps the proportions of the loops published for Parameter Golf (a fast model for boilerplate, a
middle one for sweeps and summaries, the best at high effort for architecture, review and debugging) with the
models of today's Codex. High effort is kept for hard questions because it is paid for in tokens.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from golf.errors import BadConfig
from golf.schema import Noun
from golf.workspace import RouteSettings

FRONTIER = "gpt-6-astra"
WORKHORSE = "gpt-6.1-sol"
FAST = "gpt-6-luna"

EFFORTS = ("low", "medium", "high", "xhigh", "max", "ultra")
"""From the fewest reasoning tokens to the most."""

CATALOGUE = {
    "gpt-6-astra": EFFORTS,
    "gpt-6.1-sol": EFFORTS,
    "gpt-6.1-terra": EFFORTS,
    "gpt-6-sol": EFFORTS,
    "gpt-6-luna": EFFORTS[:5],
    "gpt-5.6-sol": EFFORTS,
    "gpt-5.6-terra": EFFORTS,
    "gpt-5.6-luna": EFFORTS[:5],
    "gpt-5.5": EFFORTS[:4],
}
"""Models Codex offers, and the efforts each takes.

Source: `codex debug models --bundled` of the CLI Caddie was tested with, those it lists to users.
"""

TOKENS = {
    "high": "about 3 to 5 times the tokens of medium for the same prompt",
    **dict.fromkeys(EFFORTS[3:], "more than high, which takes about 3 to 5 times the tokens of medium"),
}
"""What an effort costs. Source: published for gpt-5.5; not measured here."""


@dataclass(frozen=True)
class Choice:
    """A row of the table."""

    model: str
    effort: str
    why: str
    words: str
    """Words by which a task in free text is recognised; one that ends in - stands for all that begin so."""


TABLE: dict[str, Choice] = {
    "implementer": Choice(
        WORKHORSE,
        "medium",
        "Writing experiment code is everyday work; the measurements catch what it gets wrong.",
        "implement- coding refactor- feature features kernel kernels patch code",
    ),
    "critic": Choice(
        FRONTIER,
        "high",
        "A review is what stands between a wrong idea and paid compute: worth the best model.",
        "critic critique critici- review- audit- verdict leak- legal- cheat- promot-",
    ),
    "researcher": Choice(
        WORKHORSE,
        "medium",
        "Reading others' work and grading it takes judgement, and much text.",
        "research- paper papers arxiv literature competitor- leaderboard survey-",
    ),
    "triager": Choice(
        FAST,
        "medium",
        "Many submissions, one small question each; Caddie extracts and checks, the model only sorts.",
        "triag- categor- cluster- classif- extract- submission submissions label-",
    ),
    "designer": Choice(
        FRONTIER,
        "high",
        "Architecture and quantisation trade-offs are the hard problems high effort is for.",
        "architect- design- quanti- recurren- hypothes- idea ideas novel- explor- tokeni-",
    ),
    "debugger": Choice(
        FRONTIER,
        "high",
        "A training failure hides its cause; a guess costs another run.",
        "debug- diagnos- nan nans diverg- crash- gradient gradients instab- unstable spike- fail- stall-",
    ),
    "sweeper": Choice(
        WORKHORSE,
        "medium",
        "Sweeps are planned and read by numbers; medium effort compares them well.",
        "sweep- hyperparam- hyper-param- grid tune- tuning ablat- schedule-",
    ),
    "summary": Choice(
        WORKHORSE,
        "low",
        "The facts are in the ledger; a report only puts them in words.",
        "summar- report- digest describe- changelog rank- readme document-",
    ),
    "quick-edit": Choice(
        FAST,
        "low",
        "Boilerplate, configuration and renames: a fast model at little cost.",
        "boilerplate scaffold- config- rename- renaming typo typos format- script scripts quick edit edits lint- stub-",
    ),
    "monitor": Choice(
        FAST,
        "low",
        "Waiting on a job is reading its state; nothing is decided.",
        "monitor- watch- wait- status progress poll-",
    ),
}

DEFAULT = Choice(WORKHORSE, "medium", "No word of the task names a kind of work: the workhorse, at medium effort.", "")


class Route(Noun):
    """The model and effort for a task, and why."""

    task: str
    role: str | None
    """Row of the table; None for work the table does not know."""
    model: str
    effort: str
    why: str
    source: str
    """What decided: `role`, `words: …`, `default`; and what of it `golf.toml` overrides."""
    estimate: str | None = None
    """What the effort costs, where that is known."""
    notes: list[str] = []


def route(task: str, overrides: Mapping[str, RouteSettings] | None = None) -> Route:
    """The choice for a role's name, or for a task in free text; `overrides` is `[route]` of golf.toml.

    In free text the kind of work with the most words in the task wins, and of equals the one named first.

    Raises:
        BadConfig: the task is empty, or an override is for a role that does not exist.
    """
    overrides = overrides or {}
    if unknown := sorted(set(overrides) - set(TABLE)):
        raise BadConfig(f"[route] in golf.toml has {unknown[0]!r}; roles are: {', '.join(TABLE)}")
    name = re.sub(r"[\s_]+", "-", task.strip().lower())
    if not name:
        raise BadConfig(f"no task given; say one in a few words, or a role: {', '.join(TABLE)}")
    if name in TABLE:
        role, source = name, "role"
    else:
        role, words = _recognised(task)
        source = f"words: {', '.join(words)}" if role else "default"
    choice = TABLE[role] if role else DEFAULT
    ours = overrides.get(role or "", RouteSettings())
    overridden = [field for field in ("model", "effort") if getattr(ours, field) is not None]
    model, effort = ours.model or choice.model, ours.effort or choice.effort
    return Route(
        task=task,
        role=role,
        model=model,
        effort=effort,
        why=choice.why,
        source=f"{source}; {' and '.join(overridden)} from golf.toml" if overridden else source,
        estimate=TOKENS.get(effort),
        notes=_notes(model, effort),
    )


def routes(overrides: Mapping[str, RouteSettings] | None = None) -> list[Route]:
    """The whole table."""
    return [route(role, overrides) for role in TABLE]


def _recognised(task: str) -> tuple[str | None, list[str]]:
    """The role most words of the task speak of, and those words."""
    found: dict[str, list[str]] = {}
    for word in re.findall(r"[a-z][a-z0-9_-]*", task.lower()):
        for role, choice in TABLE.items():
            if _names(choice, word) and word not in found.setdefault(role, []):
                found[role].append(word)
    best = max((words for words in found.values()), key=len, default=[])
    if not best:
        return None, []
    first = task.lower().find
    role = min((role for role, words in found.items() if len(words) == len(best)), key=lambda r: first(found[r][0]))
    return role, found[role]


def _names(choice: Choice, word: str) -> bool:
    return any(word.startswith(one[:-1]) if one.endswith("-") else word == one for one in choice.words.split())


def _notes(model: str, effort: str) -> list[str]:
    """What Caddie cannot vouch for in a choice."""
    if model not in CATALOGUE:
        return [f"{model} is not in the catalogue Caddie was tested with; it is passed on as it is"]
    if effort not in CATALOGUE[model]:
        return [f"{model} takes the efforts {', '.join(CATALOGUE[model])}; {effort} is passed on as it is"]
    return []
