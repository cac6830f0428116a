"""Grading with a model in it: rules grade first, the model is asked in a file, and answers come in whole or not at all.

Totals and tiers are added up here; an answer that states one is refused like any other with an unknown field.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from golf import answers, durable
from golf.errors import BadConfig
from golf.research import grades, loop, place
from golf.workspace import Workspace

PROMPT = "grading-prompt.md"


class Judged(loop.Closed):
    """What is known after grading, and what is left to ask."""

    taken: int
    """A model's entries that were taken this time."""

    prompt_path: str | None
    """What to ask a model next, on the items that only the rules have graded; None when there are none left."""


def judge(workspace: Workspace, items: Sequence[object] | None = None) -> Judged:
    """Grade by the rules everything that was read, rewrite `program.md`, and write the prompt for a second opinion.

    Args:
        workspace: Whose research it is.
        items: A model's entries, taken first: as in `schemas/research-grade.json`, or, when any has sources or a brief,
            all as in `schemas/research-verification.json`.

    Raises:
        BadConfig: an entry is no such thing; a line for each problem, and none is taken.
        NotFound, RuleBroken: as `golf.research.loop.accept`; none is taken.
        UnreadableInput: as `golf.research.loop.close`.
    """
    if items is not None and not items:
        raise BadConfig("there is no grade in it, so nothing was taken; ask again with the prompt")
    closed = loop.close(workspace) if items is None else loop.accept(workspace, _answer(items))
    asked = _ask(workspace)
    return Judged(**dict(closed), taken=len(items or ()), prompt_path=None if asked is None else str(asked))


def _answer(items: Sequence[object]) -> answers.Answer:
    has_checks = any(isinstance(one, dict) and not one.keys().isdisjoint(("sources", "brief")) for one in items)
    schema = "research-verification" if has_checks else "research-grade"
    return answers.read(schema, json.dumps({"items": list(items)}).encode())


def _ask(workspace: Workspace) -> Path | None:
    path = place.folder(workspace) / PROMPT
    found = [one for one in grades.read(workspace) if one.graded_by == "rules"]  # just now, in closing
    asked = loop.grading_prompt(workspace, found)
    if asked is None:  # an old prompt would ask again
        path.unlink(missing_ok=True)
        return None
    durable.replace(path, asked)
    return path
