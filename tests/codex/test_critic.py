"""The critic: a sub-agent with a role of its own, whose word counts for exactly the change it read."""

import tomllib
from dataclasses import dataclass

import pytest
from codex import Home, Session
from hands import CODE_MODE, HANDS, PLAIN, Hand
from playing import Round, until_it_ends
from scripted import Item, Request, say

from golf.answers import POINTS
from golf.play import experiments, notes, promotion
from golf.play.budget import BudgetBook
from golf.schema import Gate
from golf.workspace import Workspace

TASK = "Review the candidate and record your verdict."


@dataclass(frozen=True)
class Reviewed:
    """A candidate whose critic has spoken, and the session it happened in."""

    experiment: str
    before: Gate
    session: Session

    @property
    def critic(self) -> list[Request]:
        return self.session.model.of("subagent")


def review_gate(workspace: Workspace, experiment: str) -> Gate:
    return next(gate for gate in promotion.check_promotion(workspace, experiment).gates if gate.name == "review")


def verdict(hand: Hand, experiment: str, heard: Request) -> Item:
    """Accept, on the hash that the sheet names."""
    return hand.tool(
        "record_note",
        kind="verdict",
        text="read it all, nothing hidden in it",
        experiment=experiment,
        by="critic",
        verdict="accept",
        diff_sha256=heard.last(r'"diff_sha256":"([0-9a-f]{64})"'),
        points=dict.fromkeys(POINTS, "pass: looked at it"),
    )


@pytest.fixture(scope="module")
def reviewed(home: Home, links: Workspace, rounds: dict[str, Round]) -> dict[str, Reviewed]:
    """By model of the session that plays: it tries to pass its own candidate, then spawns the critic."""
    found = {}
    for hand, played in ((hand, rounds[hand.model].experiment) for hand in HANDS):
        critic = [
            CODE_MODE.tool("review_submission", path=played),
            CODE_MODE.patch("*** Begin Patch\n*** Add File: from_critic.txt\n+x\n*** End Patch"),
            CODE_MODE.shell("echo x > from_critic.txt"),
            lambda heard, played=played: verdict(CODE_MODE, played, heard),
            say("The critic accepts."),
        ]
        player = [
            hand.tool("review_submission", path=played),
            lambda heard, hand=hand, played=played: verdict(hand, played, heard),
            hand.spawn("critic", TASK),
            hand.await_agent,
            hand.tool("check_promotion", experiment=played),
            say("reviewed"),
        ]
        before = review_gate(links, played)
        session = home.exec(hand, {"user": player, "subagent": critic}, cwd=links.root)
        found[hand.model] = Reviewed(played, before, session)
    return found


def test_the_critic_has_its_roles_instructions_model_and_effort(
    reviewed: dict[str, Reviewed], links: Workspace, hand: Hand
) -> None:
    role = tomllib.loads((links.root / ".codex/agents/critic.toml").read_text())
    first = reviewed[hand.model].critic[0]
    assert role["developer_instructions"].strip() in first.text
    assert TASK in first.text
    assert (first.body["model"], first.body["reasoning"]["effort"]) == (role["model"], role["model_reasoning_effort"])


def test_its_verdict_opens_the_review_gate(reviewed: dict[str, Reviewed], links: Workspace, hand: Hand) -> None:
    found = reviewed[hand.model]
    assert found.before.verdict == "fail"
    assert review_gate(links, found.experiment).verdict == "pass"
    folder = experiments.find(links, found.experiment)
    said = [note for note in notes.read(links) if (note.kind, note.experiment) == ("verdict", folder.name)]
    assert [(note.by, note.verdict) for note in said] == [("critic", "accept")]


def test_the_player_hears_the_verdict(reviewed: dict[str, Reviewed], hand: Hand) -> None:
    found = reviewed[hand.model]
    assert "The critic accepts." in found.session.model.heard.text
    assert "accepted by critic" in found.session.outputs[-1]


def test_one_byte_later_the_verdict_counts_no_more(reviewed: dict[str, Reviewed], links: Workspace, hand: Hand) -> None:
    script = experiments.find(links, reviewed[hand.model].experiment) / "train_gpt.py"
    read = script.read_bytes()
    script.write_bytes(read + b"\n")
    changed = review_gate(links, reviewed[hand.model].experiment)
    script.write_bytes(read)
    assert changed.verdict == "fail"
    assert "earlier state" in changed.reason
    assert review_gate(links, reviewed[hand.model].experiment).verdict == "pass"


def test_the_critic_cannot_write(reviewed: dict[str, Reviewed], links: Workspace, hand: Hand) -> None:
    """Codex ignores a role's sandbox; the hook is told whose call it is."""
    patched = reviewed[hand.model].critic[-1].outputs[1]
    assert "blocked by PreToolUse hook" in patched
    assert not (links.root / "from_critic.txt").exists()


def test_the_critic_has_no_shell(reviewed: dict[str, Reviewed], hand: Hand) -> None:
    assert "tools.exec_command is not a function" in reviewed[hand.model].critic[-1].outputs[2]


def test_nobody_passes_their_own_candidate(reviewed: dict[str, Reviewed], hand: Hand) -> None:
    refused = reviewed[hand.model].session.outputs[1]
    assert "A verdict is the critic's" in refused


def test_what_the_critic_accepted_is_paid_for_when_a_person_says_yes(
    reviewed: dict[str, Reviewed], home: Home, links: Workspace
) -> None:
    """The whole way: hypothesis, local evidence, a fresh verdict, a person, the money set aside and settled."""
    candidate = reviewed[PLAIN.model].experiment
    assert promotion.check_promotion(links, candidate).promoted
    script = [CODE_MODE.tool("submit_job", experiment=candidate, tier="paid"), until_it_ends(CODE_MODE), say("paid")]
    with home.conversation(CODE_MODE, script, cwd=links.root, approval="on-request") as talk:
        talk.server.on_request("mcpServer/elicitation/request", lambda question: {"action": "accept", "content": {}})
        talk.ask("submit it")
    assert '"state":"done"' in talk.model.heard.outputs[-1]
    money = BudgetBook(links.database, links.config.budget).state(None)
    assert 0 < money.spent_usd < 600 / 3600 * 20
    assert money.reserved_usd == 0
