"""A round under `codex exec`: claim, train, wait, weigh, judge, each through a tool, with a person nowhere near."""

import json

from codex import Home
from hands import Hand
from playing import Round
from scene import scored
from scripted import say

from golf.play import experiments, ledger
from golf.workspace import Workspace


def answers(played: Round) -> dict[str, dict]:
    """By tool: what it answered last, whole, as `--json` reports it."""
    return {call["tool"]: call for call in played.session.calls}


def test_a_round_is_played_through_the_tools(rounds: dict[str, Round], links: Workspace, hand: Hand) -> None:
    played = rounds[hand.model]
    assert played.session.exit_code == 0, played.session.stderr
    said = {tool: (call["result"] or {}).get("structured_content") for tool, call in answers(played).items()}
    result = experiments.read_result(experiments.find(links, played.experiment))
    assert result is not None
    assert said["wait_for_job"]["state"] == "done"
    assert said["wait_for_job"]["result"]["val_bpb"] == result.val_bpb
    assert said["measure_artifact"]["status"] == "OK"
    assert [gate["name"] for gate in said["check_promotion"]["gates"]] == [
        "feasibility", "contamination", "review", "hypothesis", "size", "promotion", "noise", "evidence", "transfer",
        "budget", "rate_limit",
    ]  # fmt: skip
    assert played.experiment in "".join(row.description for row in ledger.read(links.ledger))


def test_the_model_hears_what_the_tools_measured(rounds: dict[str, Round], links: Workspace, hand: Hand) -> None:
    played = rounds[hand.model]
    result = experiments.read_result(experiments.find(links, played.experiment))
    assert result is not None
    assert any(f'"val_bpb":{json.dumps(result.val_bpb)}' in output for output in played.session.outputs)
    assert any(f'"artifact_bytes":{result.artifact_bytes}' in output for output in played.session.outputs)


def test_nobody_spends_money_under_exec(rounds: dict[str, Round], hand: Hand) -> None:
    """No person can be asked there, and `submit_job` says that it reaches the world: Codex refuses it."""
    refused = answers(rounds[hand.model])["submit_job"]
    assert refused["status"] == "failed"
    assert "requires approval, but approval policy is never" in rounds[hand.model].session.outputs[-1]


def test_a_person_is_asked_before_money_is_spent_and_then_the_gates_answer(
    home: Home, practice: Workspace, hand: Hand
) -> None:
    """Declined, nothing happens; accepted, the tool still refuses what has not been earned."""
    if not experiments.exists(practice, "unreviewed"):
        scored(practice, "unreviewed", 1.2, tier="shelf")
    script = [hand.tool("submit_job", experiment="unreviewed", tier="paid")] * 2 + [say("asked twice")]
    questions: list[dict] = []

    def person(question: dict) -> dict:
        questions.append(question)
        return {"action": "decline" if len(questions) == 1 else "accept", "content": {}}

    with home.conversation(hand, script, cwd=practice.root, approval="on-request") as talk:
        talk.server.on_request("mcpServer/elicitation/request", person)
        talk.ask("submit it")
    declined, accepted = talk.model.heard.outputs
    assert [question["message"] for question in questions] == [
        'Allow the golf MCP server to run tool "submit_job"?'
    ] * 2
    assert questions[0]["_meta"]["tool_params"] == {"experiment": "unreviewed", "tier": "paid"}
    assert "rejected" in declined
    assert "has not earned tier 'paid'" in accepted
    assert "no critic has looked at this change" in accepted
