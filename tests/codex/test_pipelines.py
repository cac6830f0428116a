"""`codex exec --output-schema`: Codex passes the schema on and checks nothing, so `golf accept` does."""

import json
from pathlib import Path

from codex import ROOT, Home
from hands import Hand
from scene import scored
from scripted import Item, Request, say

from golf.answers import POINTS
from golf.play import promotion
from golf.workspace import Workspace

SCHEMA = ROOT / "schemas/review.json"


def test_a_review_goes_from_the_sheet_through_the_schema_to_the_gate(
    home: Home, practice: Workspace, hand: Hand, tmp_path: Path
) -> None:
    """A critic in a session of its own, as cron or CI would start it."""
    name = scored(practice, f"piped-{hand.model}", 1.2, tier="shelf").name

    def accepted(heard: Request) -> Item:
        points = [{"name": point, "verdict": "pass", "evidence": "looked at it"} for point in POINTS]
        digest = heard.last(r'"diff_sha256":"([0-9a-f]{64})"')
        answer = {"experiment": name, "diff_sha256": digest, "verdict": "accept", "points": points, "reason": "sound"}
        return say(json.dumps(answer))

    script = [hand.tool("review_submission", path=name), accepted]
    file = tmp_path / "review.json"
    session = home.exec(hand, script, "--output-schema", str(SCHEMA), "-o", str(file), cwd=practice.root)
    shape = session.first.body["text"]["format"]
    assert (shape["type"], shape["strict"], shape["schema"]) == ("json_schema", True, json.loads(SCHEMA.read_text()))

    taken = home.golf("accept", "review", str(file), "--record", "--json", cwd=practice.root)
    assert taken.returncode == 0, taken.stderr
    assert json.loads(taken.stdout)["verdict"] == "accept"
    gates = {gate.name: gate.verdict for gate in promotion.check_promotion(practice, name).gates}
    assert gates["review"] == "pass"


def test_an_answer_that_breaks_the_schema_is_caught_behind_codex(
    home: Home, practice: Workspace, hand: Hand, tmp_path: Path
) -> None:
    file = tmp_path / "review.json"
    arguments = ("--output-schema", str(SCHEMA), "-o", str(file))
    session = home.exec(hand, [say('{"experiment": "base", "verdict": "perhaps"}')], *arguments, cwd=practice.root)
    refused = home.golf("accept", "review", str(file), cwd=practice.root)
    assert session.exit_code == 0
    assert refused.returncode == 2
    assert "verdict" in refused.stderr
    assert "invalid choice" not in refused.stderr
    assert "Traceback" not in refused.stderr
