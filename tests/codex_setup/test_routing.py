"""One table of models and efforts, held against the catalogue of the real CLI."""

import json
import subprocess
from pathlib import Path

import pytest
from codex_home import move_in, needs_codex
from hypothesis import given
from hypothesis import strategies as st

from golf.cli import codex as verbs
from golf.codex import app_server, routing
from golf.codex.routing import EFFORTS, TABLE, route
from golf.errors import BadConfig, NotFound
from golf.workspace import RouteSettings, Workspace


@needs_codex
def test_the_catalogue_is_the_real_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model the CLI offers, with the efforts it takes: none invented, none forgotten."""
    move_in(monkeypatch, tmp_path)
    command = [app_server.find_codex(), "debug", "models", "--bundled"]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["models"]
    offered = {
        model["slug"]: {level["effort"] for level in model["supported_reasoning_levels"]}
        for model in listed
        if model["visibility"] == "list"
    }
    assert {name: set(efforts) for name, efforts in routing.CATALOGUE.items()} == offered


def test_s96_every_row_is_a_model_and_an_effort_of_the_catalogue() -> None:
    for role in TABLE:
        chosen = route(role)
        assert chosen.effort in routing.CATALOGUE[chosen.model], role
        assert (chosen.role, chosen.source, chosen.notes) == (role, "role", [])
        assert chosen.why


def test_s96_the_proportions_of_the_published_table_hold() -> None:
    """Source: the routing guide for Parameter Golf: fast for boilerplate, middle for sweeps and (low) summaries, best
    at high effort for architecture, review and debugging."""
    models = [routing.FAST, routing.WORKHORSE, routing.FRONTIER]

    def rank(role: str) -> tuple[int, int]:
        chosen = route(role)
        return models.index(chosen.model), EFFORTS.index(chosen.effort)

    assert rank("quick-edit") < rank("summary") < rank("sweeper") < rank("critic")
    assert rank("critic") == rank("designer") == rank("debugger") == (2, EFFORTS.index("high"))


@pytest.mark.parametrize(
    ("task", "role"),
    [
        ("critic", "critic"),
        ("Quick Edit", "quick-edit"),
        ("quick_edit", "quick-edit"),
        ("review experiments/2026-05-04_wider before it is promoted", "critic"),
        ("review the sweep", "critic"),  # as many words of both: the first named
        ("sweep MLP 2x to 4x and report", "sweeper"),
        ("find out why the loss goes NaN at step 300", "debugger"),
        ("train nanochat a bit longer", None),  # nan- is no NaN
        ("boilerplate: config and launch scripts", "quick-edit"),
        ("summarise the last 10 runs", "summary"),
        ("triage 2000 submissions", "triager"),
        ("what do competitors on the leaderboard do", "researcher"),
        ("implement the TrigramHash embedding", "implementer"),
        ("a novel quantization idea", "designer"),
        ("improve BPB", None),
        ("改进", None),
    ],
)
def test_free_text_finds_its_role(task: str, role: str | None) -> None:
    assert route(task).role == role


def test_the_words_that_decided_are_said() -> None:
    assert route("debug why the loss goes NaN").source == "words: debug, nan"


def test_an_unknown_task_gets_the_default_and_the_reason() -> None:
    chosen = route("improve BPB")
    assert (chosen.model, chosen.effort, chosen.source) == (routing.WORKHORSE, "medium", "default")
    assert "No word of the task" in chosen.why


def test_s97_high_effort_says_what_it_costs() -> None:
    assert route("critic").estimate == "about 3 to 5 times the tokens of medium for the same prompt"
    assert route("sweeper").estimate is None
    assert "more than high" in str(route("critic", {"critic": RouteSettings(effort="max")}).estimate)


def test_s96_the_workspace_overrides_model_or_effort_or_both(workspace: Workspace) -> None:
    (workspace.root / "golf.toml").write_text(
        '[route]\ncritic = { model = "gpt-5.5", effort = "xhigh" }\nsummary = { effort = "medium" }\n'
    )
    overrides = Workspace(workspace.root).config.route
    critic, summary = route("review it", overrides), route("summary", overrides)
    assert (critic.model, critic.effort) == ("gpt-5.5", "xhigh")
    assert critic.source == "words: review; model and effort from golf.toml"
    assert (summary.model, summary.effort) == (routing.WORKHORSE, "medium")
    assert summary.source == "role; effort from golf.toml"
    assert critic.notes == summary.notes == []


def test_an_unknown_model_is_passed_on_with_a_note() -> None:
    chosen = route("critic", {"critic": RouteSettings(model="local-70b")})
    assert (chosen.model, chosen.effort) == ("local-70b", "high")
    assert chosen.notes == ["local-70b is not in the catalogue Caddie was tested with; it is passed on as it is"]
    odd = route("critic", {"critic": RouteSettings(model="gpt-5.5", effort="ultra")})
    assert odd.effort == "ultra"
    assert odd.notes == ["gpt-5.5 takes the efforts low, medium, high, xhigh; ultra is passed on as it is"]


def test_an_override_for_a_role_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(BadConfig, match=r"\[route\] in golf.toml has 'critc'; roles are: implementer, critic"):
        route("critic", {"critc": RouteSettings(effort="low")})
    with pytest.raises(BadConfig, match="no task given"):
        route(" ")


@given(st.text(min_size=1).filter(str.strip))
def test_every_task_has_a_route_and_a_role_only_if_words_say_so(task: str) -> None:
    chosen = route(task)
    assert chosen.model in routing.CATALOGUE
    assert (chosen.role is None) == (chosen.source == "default")


# --- golf route --------------------------------------------------------------------------------


def golf(*argv: str) -> int:
    """`golf route …`, through its own parser."""
    import argparse

    parser = argparse.ArgumentParser()
    verbs.register(parser.add_subparsers())
    arguments = parser.parse_args(argv)
    return arguments.act(arguments)


def test_golf_route_prints_the_choice_and_why(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert golf("route", "review", "the", "candidate") == 0
    said = capsys.readouterr().out
    assert "model: gpt-6-astra\neffort: high\nwhy: A review is what" in said
    assert "source: words: review" in said
    assert golf("route", "--json", "critic") == 0
    assert json.loads(capsys.readouterr().out) == route("critic").model_dump(mode="json")


def test_s97_the_estimate_is_shown_where_an_effort_costs_more(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert golf("route", "critic") == 0
    assert "estimate: about 3 to 5 times the tokens of medium" in capsys.readouterr().out
    assert golf("route", "sweeper") == 0
    assert "estimate: about" not in capsys.readouterr().out


def test_golf_route_alone_prints_the_table(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.root / "golf.toml").write_text('[route]\nmonitor = { model = "gpt-5.5" }\n')
    assert golf("route", "--json") == 0
    rows = {row["role"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == list(TABLE)
    assert rows["monitor"]["model"] == "gpt-5.5"


def test_golf_route_works_outside_a_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOLF_WORKSPACE", raising=False)
    assert golf("route", "critic", "--json") == 0
    assert json.loads(capsys.readouterr().out)["model"] == routing.FRONTIER
    monkeypatch.setenv("GOLF_WORKSPACE", str(tmp_path / "nowhere"))
    with pytest.raises(NotFound):
        golf("route", "critic")
