"""A folder of submissions triaged for a workspace: page, data and index under `.golf/triage/`, the gist as answer."""

import hashlib
from pathlib import Path

from golf import durable
from golf.referee import triage
from golf.referee.brief import TriageSummary
from golf.workspace import Workspace


def post(workspace: Workspace, folder: Path, on_progress: triage.Progress | None = None) -> TriageSummary:
    """Triage `folder`; what was judged before and has not changed is not read again.

    Raises:
        NotFound, UnreadableInput: as `golf.referee.triage.survey`.
    """
    place = workspace.state / "triage"
    place.mkdir(parents=True, exist_ok=True)
    field = triage.survey(folder, index=place / "index.db", on_progress=on_progress)
    name = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    page, data = place / f"{name}.md", place / f"{name}.json"
    durable.replace(page, triage.bulletin(field))
    durable.replace(data, triage.triaged(field).model_dump_json(indent=2))
    return triage.summary(field, page=str(page.relative_to(workspace.root)), data=str(data.relative_to(workspace.root)))
