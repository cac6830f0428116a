"""What was seen in data, and what was not: the checklist of `golf data check`."""

from typing import Literal

from golf.schema import Noun

Severity = Literal["error", "warning"]

Kind = Literal["shard", "tokens", "jsonl", "text"]
"""The challenge's `.bin`, a bare file of uint16, JSON Lines, plain text."""


class Trouble(Noun):
    """Something wrong with data; of many places of a file, the first."""

    code: str
    severity: Severity
    file: str
    """Relative to what was checked."""
    place: int | None = None
    """Line of a text, from 1; index of a token, from 0."""
    count: int = 1
    """Places like it in this file."""
    text: str
    """What is wrong, in a sentence."""
    fix: str


class DataFile(Noun):
    """A file that was read."""

    path: str
    """Relative to what was checked."""
    kind: Kind
    split: Literal["train", "validation", "test", ""]
    """By its name; empty where that does not say."""
    bytes: int
    documents: int | None = None
    """None: where one ends cannot be told."""
    tokens: int | None = None
    largest: int | None = None
    """The largest token id."""


class Item(Noun):
    """One question of the checklist, and how far it was answered."""

    name: str
    state: Literal["ok", "found", "not checked"]
    text: str


class DataCheck(Noun):
    """Whether data may be trained on, as far as a machine can tell."""

    path: str
    """As it was given."""
    files: list[DataFile]
    checklist: list[Item]
    troubles: list[Trouble]
    """Errors first."""
    errors: int
    warnings: int
    not_read: dict[str, str] = {}
    """Files that were passed over, with the reason."""

    @property
    def is_clean(self) -> bool:
        """No error."""
        return not self.errors
