"""Whatever it is given, the guard answers, soon and in clean words, from files alone."""

from pathlib import Path
from typing import Any

import pytest
from guarded import patch, refused, shell
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golf.hooks.guard import decide
from golf.hooks.state import State
from golf.workspace import Workspace

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

SYNTAX = """
' " ` $( ${ $(( )) ) ( } { [[ ]] << <<- <<< > >> < & && | || ; ;; \\ # * ? ~ = ! $x $@ $' <( EOF rm kill nvidia-smi
eval.py bash -c case in esac for do done if then fi function f() baselines/x xargs -I python find -exec {} git checkout
clean -fd add . .. / apply_patch env sudo watch timeout golf record
"""

SHELL_TEXT = st.lists(st.sampled_from([*SYNTAX.split(), "\n"]) | st.text(max_size=4), max_size=24).map(" ".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(event=st.dictionaries(st.sampled_from(["tool_name", "tool_input", "agent_type", "cwd"]), ANYTHING))
def test_any_event_is_answered(event: dict[str, Any], busy: Workspace) -> None:
    assert isinstance(decide(event, State(busy.root)), str | None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
@given(
    line=SHELL_TEXT,
    tool=st.sampled_from(["Bash", "apply_patch", "mcp__x__write", "mcp__golf__record_note"]),
    role=st.sampled_from([None, "critic"]),
)
def test_any_line_is_answered(line: str, tool: str, role: str | None, busy: Workspace) -> None:
    event = {"tool_name": tool, "tool_input": {"command": line, "path": line}, "agent_type": role, "cwd": "/"}
    assert isinstance(decide(event, State(busy.root)), str | None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(words=st.lists(st.text(alphabet="abc /'\"$`\\;|&-=.", max_size=6), max_size=5))
def test_a_forbidden_command_is_seen_before_and_behind_any_quoted_words(words: list[str], busy: Workspace) -> None:
    import shlex

    said = shlex.join(words)
    assert shell(busy, f"echo {said}; nvidia-smi {said}")
    assert shell(busy, f"bash -c {shlex.quote(f'echo {said}; nvidia-smi {said}')}")
    assert shell(busy, f"echo {shlex.quote(f'; nvidia-smi {said}')}") is None


@pytest.mark.parametrize(
    "line",
    [
        "(" * 100_000,
        "$(" * 50_000,
        "`" * 99_999,
        "{a,b}" * 40,
        ";" * 200_000,
        '"$x' * 60_000,
        "<<E\n" * 20_000,
        "x=" * 99_999,
        "a=x;" + "a=$a$a;" * 60,
        "x=(" * 60_000,
        "x= " * 60_000,
        "a=x;" + "a=$a$a;" * 20 + "echo " + "$a" * 60_000,
        "cat <<E | apply_patch\n--- " + " " * 100_000 + "\nE",
        "cat <<E | apply_patch\n*** Add File:" + " " * 100_000 + "\nE",
    ],
    ids=lambda line: line[:4],
)
def test_a_line_made_to_exhaust_the_reader_does_not(line: str, busy: Workspace) -> None:
    decide({"tool_name": "Bash", "tool_input": {"command": line}}, State(busy.root))


def test_a_reason_is_short_and_clean(busy: Workspace) -> None:
    name = "baselines/" + "\x1b[31mx" * 100
    reason = refused(busy, "apply_patch", {"command": patch(name)})
    assert reason is not None and reason.isprintable() and len(reason) < 600


def test_the_guard_starts_from_files_alone(tmp_path: Path) -> None:
    (tmp_path / "golf.toml").write_text("")
    event = {"tool_name": "Bash", "tool_input": {"command": "nvidia-smi; rm -rf x"}, "cwd": str(tmp_path)}
    assert decide(event, State(tmp_path)) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["golf.toml"]
