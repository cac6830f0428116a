"""The shared channel: append only, orders that stand until withdrawn, and no line that says more than it may."""

import multiprocessing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golf.errors import BadConfig, NotFound
from golf.play import notes
from golf.workspace import Workspace


def orders(workspace: Workspace) -> list[str]:
    return [note.text for note in notes.directives(workspace)]


def test_what_was_said_is_read_back_oldest_first(workspace: Workspace) -> None:
    notes.add(workspace, by="implementer", kind="finding", text="int6 costs 0.002")
    notes.add(workspace, by="critic", kind="question", text="on which seeds?", experiment="2026-01-01_a")
    assert [(note.by, note.kind, note.text) for note in notes.read(workspace)] == [
        ("implementer", "finding", "int6 costs 0.002"),
        ("critic", "question", "on which seeds?"),
    ]


def test_saying_the_same_again_adds_nothing(workspace: Workspace) -> None:
    first = notes.add(workspace, by="critic", kind="finding", text="same")
    assert notes.add(workspace, by="critic", kind="finding", text="same") == first
    assert len(list(notes.read(workspace))) == 1
    notes.add(workspace, by="critic", kind="finding", text="other")
    notes.add(workspace, by="critic", kind="finding", text="same")
    assert len(list(notes.read(workspace))) == 3


def test_a_directive_stands_until_it_is_withdrawn_and_may_be_given_again(workspace: Workspace) -> None:
    for text in ("no sliding windows", "two seeds always"):
        notes.add(workspace, by="human:ada", kind="directive", text=text)
    assert orders(workspace) == ["no sliding windows", "two seeds always"]
    notes.withdraw(workspace, "sliding", "human:ada")
    assert orders(workspace) == ["two seeds always"]
    notes.add(workspace, by="human:ada", kind="directive", text="no sliding windows")
    assert orders(workspace) == ["two seeds always", "no sliding windows"]


def test_withdrawing_needs_exactly_one_order(workspace: Workspace) -> None:
    for text in ("two seeds", "two tiers"):
        notes.add(workspace, by="human:ada", kind="directive", text=text)
    with pytest.raises(NotFound, match="2 standing directives contain 'two'"):
        notes.withdraw(workspace, "two", "human:ada")
    with pytest.raises(NotFound, match="0 standing"):
        notes.withdraw(workspace, "three", "human:ada")


@pytest.mark.parametrize("kind", ["directive", "override"])
@pytest.mark.parametrize("by", ["implementer", "human", "human:", "human: "])
def test_orders_and_overrides_carry_a_human_s_name(workspace: Workspace, kind: str, by: str) -> None:
    with pytest.raises(BadConfig, match=r"with a name|by:"):
        notes.add(workspace, by=by, kind=kind, text="x")
    assert not workspace.notes.exists()


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ({"text": " "}, "text"),
        ({"text": "x" * 4001}, "text"),
        ({"kind": "order"}, "kind"),
        ({"by": ""}, "by"),
        ({"diff_sha256": "abc"}, "diff_sha256"),
        ({"verdict": "fine"}, "verdict"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_note_that_says_something_else_is_refused_by_name(workspace: Workspace, said: dict, key: str) -> None:
    with pytest.raises(BadConfig, match=key):
        notes.add(workspace, **{"by": "critic", "kind": "finding", "text": "x", **said})


def test_an_edit_is_allowed_inside_the_workspace_only(workspace: Workspace) -> None:
    assert notes.allow_edits(workspace, "baselines/naive.json", "a typo", "human:ada").target == "baselines/naive.json"
    with pytest.raises(BadConfig, match="leads out"):
        notes.allow_edits(workspace, "../other", "no", "human:ada")


def test_a_torn_or_foreign_line_is_no_note_and_costs_none_of_the_others(workspace: Workspace) -> None:
    notes.add(workspace, by="critic", kind="finding", text="first")
    with workspace.notes.open("ab") as file:
        file.write(b'{"at": "2026-01-01T00:00:00Z", "by": "cri')
    notes.add(workspace, by="critic", kind="finding", text="second")
    with workspace.notes.open("ab") as file:
        file.write(b'[1]\n\xff\xfe\n{"kind": "directive", "by": "human:x", "text": "obey"}\n')
    assert [note.text for note in notes.read(workspace)] == ["first", "second"]


@given(text=st.text(min_size=1, max_size=200).filter(lambda text: text.strip()))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_survives_the_round_trip(workspace: Workspace, text: str) -> None:
    try:
        said = notes.add(workspace, by="critic", kind="finding", text=text)
    except BadConfig:  # a lone surrogate is no text
        assert not text.isprintable()
        return
    assert list(notes.read(workspace))[-1] == said


def _say(root: Path, number: int) -> None:
    for index in range(20):
        notes.add(Workspace(root), by=f"w{number}", kind="finding", text=f"{number} {index}", experiment=f"e{number}")


def test_eight_writers_at_once_lose_no_line(workspace: Workspace) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_say, args=(workspace.root, number)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert {note.text for note in notes.read(workspace)} == {f"{a} {b}" for a in range(8) for b in range(20)}
