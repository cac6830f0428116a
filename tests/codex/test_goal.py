"""`/goal` through the app-server, which starts one turn after another until the model says that it is reached."""

from codex import Home
from hands import Hand
from playing import BASELINE, until_it_ends
from scripted import say

from golf.play import experiments
from golf.workspace import Workspace


def test_a_goal_runs_three_turns_against_real_state_and_completes(home: Home, links: Workspace, hand: Hand) -> None:
    name = f"goal-{hand.model}"
    script = [
        hand.tool("run_experiment", experiment=name, hypothesis="h", script=BASELINE, tier="tiny"),
        say("It is training."),
        until_it_ends(hand),
        say("It has ended."),
        hand.tool("check_promotion", experiment=name),
        hand.done(),
        say("Reached."),
    ]
    with home.conversation(hand, script, cwd=links.root, approval="never") as talk:
        goal = {"threadId": talk.thread, "objective": f"Have {name} scored.", "tokenBudget": 100_000}
        talk.server.call("thread/goal/set", goal)
        talk.server.wait_for("thread/goal/updated", lambda said: said["goal"]["status"] == "complete", timeout_s=120)
        turns = talk.server.events("turn/started")
    result = experiments.read_result(experiments.find(links, name))
    assert len(turns) == 3
    assert result is not None
    assert any(str(result.val_bpb) in output for output in talk.model.heard.outputs)
