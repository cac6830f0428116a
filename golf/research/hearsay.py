"""What the texts that were read come to: scores that pull requests claim, techniques that anything names.

Reading a text for that takes milliseconds, and there are thousands: it is done once for each state of `raw_cache.jsonl`
and kept beside it. The file follows from the cache alone and may be deleted at any time.
"""

import contextlib
import json
from importlib.metadata import version

from pydantic import ValidationError

from golf import durable
from golf.research import attempts, cache, competitors, place, surveys
from golf.research.attempts import Attempt
from golf.research.nouns import Competitor
from golf.schema import Noun
from golf.workspace import Workspace

HEARSAY = "hearsay.json"

READING = 2
"""Raised when the same texts come to something else, so that what is kept is read anew; 2: submission.json first."""


class Hearsay(Noun):
    """By words alone; no log and no script was read."""

    state: str
    """Of all that it follows from."""
    claims: list[Competitor]
    """Pull requests of repositories whose pull requests are submissions, never credible."""
    proposals: list[Attempt]
    """Everything that was read, as things that nobody here has tried."""


def known(workspace: Workspace) -> list[Competitor]:
    """Competitors of the surveys, and claims of those that they lack; the lowest score first.

    Raises:
        UnreadableInput: a file of research is damaged; the message names it.
    """
    return competitors.merged(surveys.read(workspace).competitors, hearsay(workspace).claims)


def hearsay(workspace: Workspace) -> Hearsay:
    """Of what was read up to now.

    Raises:
        UnreadableInput: a line of the cache is no item.
    """
    folder = place.folder(workspace)
    path, state = folder / HEARSAY, _state(workspace)
    with contextlib.suppress(OSError, ValidationError):
        kept = Hearsay.model_validate_json(path.read_bytes())
        if kept.state == state:
            return kept
    items = cache.read(folder / place.RAW_CACHE)
    repositories = workspace.config.research.submissions_of  # another repository has the same numbers
    found = Hearsay(
        state=state,
        claims=[
            one
            for item in items
            if item.details.get("repository") in repositories
            and (one := competitors.from_item(item, workspace.challenge.baseline_bpb)) is not None
        ],
        proposals=attempts.of_items(items),
    )
    with contextlib.suppress(OSError):  # a workspace that cannot be written answers, only slower
        durable.replace(path, found.model_dump_json())
    return found


def _state(workspace: Workspace) -> str:
    """Size and time of the cache, which is only ever appended to, and what else the answer depends on."""
    try:
        stat = (place.folder(workspace) / place.RAW_CACHE).stat()
        file = [stat.st_size, stat.st_mtime_ns]
    except FileNotFoundError:
        file = []
    research = workspace.config.research.submissions_of
    return json.dumps([version("caddie"), READING, *file, *research, workspace.challenge.baseline_bpb])
