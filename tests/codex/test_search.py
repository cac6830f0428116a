"""Codex's own search finds each tool by the words people use (tests/mcp/test_findable.py models it; this asks it)."""

import json
import runpy
from pathlib import Path

from codex import ROOT, Home
from hands import PLAIN
from scripted import say, search

REQUESTS = runpy.run_path(str(ROOT / "tests/mcp/test_findable.py"))["REQUESTS"]


def test_ninety_requests_find_their_tool(home: Home, tmp_path: Path) -> None:
    """Among the first three of eight for at least 85 of them, and never beyond the eight."""
    (tmp_path / "golf.toml").write_text("")
    searches = [search(request) for request, _ in REQUESTS]
    session = home.exec(PLAIN, [searches, say("found")], "--skip-git-repo-check", cwd=tmp_path)
    places = {}
    for (request, wanted), output in zip(REQUESTS, session.outputs, strict=True):
        found = [tool["name"] for space in json.loads(output)["tools"] for tool in space["tools"]]
        places[request] = found.index(wanted) + 1 if wanted in found else 99
    assert {request: place for request, place in places.items() if place > 8} == {}
    assert sum(place <= 3 for place in places.values()) >= 85, {r: p for r, p in places.items() if p > 3}
