"""The shared channel: one append-only file through which the human, the implementer and the critic speak.

`notes.jsonl` in the workspace's root, one JSON object a line. A human's directive stands until it is
withdrawn and comes first in every digest; an override lets one named thing past one named guard, with
a name and a reason beside it. What a model writes is never either of the two.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath

from pydantic import ValidationError

from golf import durable
from golf.errors import BadConfig, NotFound
from golf.schema import Note
from golf.workspace import Workspace, describe

WITHDRAWN = "withdrawn"

HUMAN_ONLY = ("directive", "override")


def add(workspace: Workspace, **said: object) -> Note:
    """Append a note and flush it; saying the newest note of its kind on an experiment again adds nothing.

    Args:
        workspace: Whose channel it is.
        **said: Fields of `golf.schema.Note`, `at` aside.

    Raises:
        BadConfig: a field is missing, unknown or too long; an override without reason or by nobody.
    """
    try:
        note = Note.model_validate({**said, "at": datetime.now(UTC)})
    except ValidationError as error:
        raise BadConfig(f"the note was not taken: {describe(error)}") from error
    if note.kind in HUMAN_ONLY and not re.fullmatch(r"human:\w.*", note.by):
        raise BadConfig(f"a {note.kind} is a human's, with a name (got {note.by!r}): golf record {note.kind} --by NAME")
    newest = None
    for known in read(workspace):
        if (known.kind, known.experiment) == (note.kind, note.experiment):
            newest = known
    if newest is not None and newest.model_copy(update={"at": note.at}) == note:
        return newest
    durable.append_line(workspace.notes, note.model_dump_json())
    return note


def read(workspace: Workspace) -> Iterator[Note]:
    """Every note, oldest first. A line torn by a kill, or written by something else, is no note."""
    if not workspace.notes.is_file():
        return
    lines = workspace.notes.read_text(encoding="utf-8", errors="replace").split("\n")
    for line in lines:
        try:
            yield Note.model_validate_json(line)
        except ValidationError:
            continue


def directives(workspace: Workspace) -> list[Note]:
    """The human's standing orders, oldest first."""
    standing: dict[str, Note] = {}
    for note in read(workspace):
        if note.kind == "directive":
            standing.pop(note.text, None)
            if note.target != WITHDRAWN:
                standing[note.text] = note
    return list(standing.values())


def withdraw(workspace: Workspace, words: str, by: str) -> Note:
    """Withdraw the standing directive that contains `words`.

    Raises:
        NotFound: none or several contain them.
    """
    found = [note for note in directives(workspace) if words.lower() in note.text.lower()]
    if len(found) != 1:
        orders = "; ".join(note.text for note in directives(workspace)) or "none"
        raise NotFound(f"{len(found)} standing directives contain {words!r}; name one. Standing: {orders}")
    return add(workspace, by=by, kind="directive", text=found[0].text, target=WITHDRAWN)


def allow_edits(workspace: Workspace, path: str, reason: str, by: str) -> Note:
    """Record that a frozen file or folder may be edited for the next 24 hours; the guard reads it.

    Raises:
        BadConfig: the path leads out of the workspace.
    """
    inside = workspace.inside(path).relative_to(workspace.root.resolve())
    return add(workspace, by=by, kind="override", text=reason, target=PurePosixPath(inside).as_posix())
