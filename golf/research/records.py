"""Nouns kept for good, a JSON line each: appended durably, read as they lie.

A line that a kill cut short was never acknowledged: the next append closes it off, and it costs itself alone. Any other
line that cannot be read is an error, because passing over it would silently lose what it held.
"""

import logging
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from golf import durable
from golf.errors import UnreadableInput
from golf.research import foreign
from golf.schema import Noun

log = logging.getLogger(__name__)

Record = TypeVar("Record", bound=Noun)

TORN = " # torn"
"""Closes off a line that a kill cut short."""


def append(path: Path, record: Noun) -> None:
    """Keep one more; when this returns it is on disk."""

    def close(line: str) -> str:
        return "" if _parsed(line.encode(), type(record)) else TORN

    durable.append_line(path, record.model_dump_json(), close=close)


def read(path: Path, noun: type[Record], start: int = 0) -> list[Record]:
    """Every record from byte `start` on, where a line begins; none when there is no file yet.

    Raises:
        UnreadableInput: a line is no such record; the message names it. One that a kill cut short is left out.
    """
    if not path.exists():
        return []
    if not path.is_file():
        raise UnreadableInput(f"{path} is no file, so what was kept there cannot be read. Move it away")
    with open(path, "rb") as file:
        file.seek(start)
        lines = file.read().split(b"\n")
    found: list[Record] = []
    for place, line in enumerate(lines):
        if not line.strip() or line.endswith(TORN.encode()):
            continue
        if record := _parsed(line, noun):
            found.append(record)
        elif place < len(lines) - 1:
            number = 1 + place + path.read_bytes().count(b"\n", 0, start)
            raise UnreadableInput(
                f"{path}:{number} is no {noun.__name__.lower()} record: "
                f"{foreign.line(line.decode(errors='replace'), 120)!r}. Correct it or delete it: "
                f"${{EDITOR:-vi}} +{number} {path}"
            )
        else:
            log.warning("%s: the last line is torn and was left out", path)
    return found


def _parsed(line: bytes, noun: type[Record]) -> Record | None:
    try:
        return noun.model_validate_json(line)
    except ValidationError:
        return None
