"""What makes the next question a conditional one (ETag, Last-Modified), kept per address."""

import json
from collections.abc import Mapping
from pathlib import Path

from golf import durable
from golf.research.place import locked

REMEMBERED_MAX = 500
"""Addresses whose ETag is kept; the longest unseen go first."""


class Validators:
    """What servers want to hear back, per address: one small JSON file.

    `is_void`: what it holds is of items that are no more, so that none of it is sent.
    """

    def __init__(self, path: Path, is_void: bool = False) -> None:
        self._path = path
        self._is_void = is_void

    def read(self) -> dict[str, dict[str, str]]:
        """Address → headers of a conditional question; none where the file is missing or damaged."""
        if self._is_void:
            return {}
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
            return {url: {str(k): str(v) for k, v in sent.items()} for url, sent in known.items()}
        except (OSError, ValueError, AttributeError, RecursionError):
            return {}  # without them everything is asked for in full, which costs time and nothing else

    def add(self, seen: Mapping[str, dict[str, str]]) -> None:
        """Keep these too."""
        if seen:
            with locked(self._path.parent):
                known = {url: sent for url, sent in self.read().items() if url not in seen} | dict(seen)
                durable.replace_json(self._path, dict(list(known.items())[-REMEMBERED_MAX:]))
