"""Work of several machines in one workspace: nothing twice, nothing lost, whatever the order (S111)."""

import itertools
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import git, scored

from golf.cli import main
from golf.errors import BadConfig, NotFound, UnreadableInput
from golf.play import experiments, ledger, notes
from golf.play.merge import merge, merged
from golf.schema import Row
from golf.workspace import Workspace

Machine = Callable[[str], Workspace]


def row(description: str, commit: str = "c") -> Row:
    return Row(
        commit=commit, tier="local", val_bpb=1.2, artifact_bytes=1, memory_gb=None, status="keep", promoted="no",
        cost_usd=0.0, description=description,
    )  # fmt: skip


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    def make(name: str) -> Workspace:
        root = tmp_path / name
        root.mkdir()
        (root / "golf.toml").write_text("")
        git(root, "init", "--quiet")
        return Workspace(root)

    return make


days = st.sampled_from(["", "2026-05-01_", "2026-05-02_", "2026-05-03_"])
found_rows = st.builds(lambda day, name: row(f"{day}{name}: h"), days, st.sampled_from("abc"))
ledgers = st.lists(st.lists(found_rows, max_size=6), min_size=1, max_size=3)


def lines(rows: list[Row]) -> Counter[str]:
    return Counter(one.model_dump_json() for one in rows)


@given(ledgers)
def test_s111_the_outcome_is_the_same_in_whatever_order_ledgers_come(found: list[list[Row]]) -> None:
    first, *others = (merged(order) for order in itertools.permutations(found))
    assert all(other == first for other in others)


@given(ledgers)
def test_s111_a_row_is_there_as_often_as_in_the_ledger_that_has_it_most_often(found: list[list[Row]]) -> None:
    expected: Counter[str] = Counter()
    for one in found:
        expected |= lines(one)
    assert lines(merged(found)) == expected


@given(ledgers)
def test_s111_merging_again_changes_nothing(found: list[list[Row]]) -> None:
    once = merged(found)
    for one in [*found, once, []]:
        assert lines(merged([once, one])) == lines(once)
    assert merged([once, once]) == once


@given(st.lists(found_rows, max_size=8))
def test_a_ledger_alone_keeps_its_order(found: list[Row]) -> None:
    assert merged([found]) == merged([found, found[:3]]) == found


def test_between_machines_the_day_decides_and_each_keeps_its_order() -> None:
    here = [row("2026-05-01_b: h"), row("2026-05-03_a: h")]
    there = [row("2026-05-02_z: h"), row("2026-05-02_y: h")]
    named = [one.description.split(":")[0] for one in merged([here, there])]
    assert named == ["2026-05-01_b", "2026-05-02_z", "2026-05-02_y", "2026-05-03_a"]


def test_ledgers_that_contradict_each_other_lose_nothing() -> None:
    one, other = row("2026-05-01_b: h"), row("2026-05-01_a: h")
    assert merged([[one, other], [other, one]]) == merged([[other, one], [one, other]]) == [other, one]


def test_s111_two_machines_rows_experiments_notes_and_commits_come_together(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    scored(here, "base", 1.25)
    scored(there, "wider", 1.2)
    expected = lines(ledger.read(here.ledger)) | lines(ledger.read(there.ledger))
    notes.add(there, by="implementer", kind="finding", text="wider helps")
    who = ("-c", "user.name=t", "-c", "user.email=t@localhost")
    commit = git(there.root, *who, "commit-tree", "-m", "c", git(there.root, "write-tree").strip()).strip()
    git(there.root, "update-ref", "refs/golf/run", commit)
    done = merge(here, [there.root])
    (wider,) = [folder.name for folder in there.experiments.glob("*_wider")]
    assert lines(ledger.read(here.ledger)) == expected and done.rows == expected.total()
    assert done.experiments_added == [wider]
    assert done.conflicts == []
    assert done.notes_added == 1 and [note.text for note in notes.read(here)] == ["wider helps"]
    assert done.without_commits == []
    assert git(here.root, "cat-file", "-t", commit).strip() == "commit"
    assert experiments.read_result(here.experiments / wider) == experiments.read_result(there.experiments / wider)
    again = merge(here, [there.root])
    assert (again.rows_added, again.experiments_added, again.notes_added) == (0, [], 0)


def test_a_claim_that_differs_is_a_conflict_and_ours_stays(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = machine("here"), machine("there")
    mine = scored(here, "base", 1.25)
    shutil.copytree(mine, there.experiments / mine.name)
    config = there.experiments / mine.name / experiments.CONFIG
    config.write_text(config.read_text().replace("hypothesis: ", "hypothesis: another "))
    before = (mine / experiments.CONFIG).read_bytes()
    monkeypatch.chdir(here.root)
    assert main(["merge", str(there.root)]) == 1
    assert f"{mine.name} of" in capsys.readouterr().err
    assert (mine / experiments.CONFIG).read_bytes() == before


def test_a_run_that_another_machine_made_of_the_same_claim_is_kept_beside_ours(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    mine = scored(here, "base", 1.25)
    theirs = there.experiments / mine.name
    shutil.copytree(mine, theirs)
    result = experiments.read_result(theirs)
    assert result is not None
    other = result.model_copy(update={"run_id": "20260501-000000-abcdef", "val_bpb": 1.3})
    (theirs / experiments.RESULT).write_text(other.model_dump_json())
    merge(here, [there.root])
    merge(here, [there.root])
    assert experiments.read_result(mine) == result
    assert experiments.read_result(mine / "earlier" / other.run_id) == other


def test_a_claim_that_only_the_other_machine_has_played_gets_its_run(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    theirs = scored(there, "base", 1.25)
    mine = here.experiments / theirs.name
    mine.mkdir(parents=True)
    shutil.copy(theirs / experiments.CONFIG, mine)
    merge(here, [there.root])
    assert experiments.read_result(mine) == experiments.read_result(theirs)


def test_commits_that_cannot_be_fetched_are_named_and_the_rest_is_merged(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    scored(there, "wider", 1.2)
    shutil.rmtree(there.root / ".git")
    done = merge(here, [there.root])
    assert done.rows_added == 1
    assert len(done.without_commits) == 1 and "there" in done.without_commits[0]


def test_a_dry_run_says_the_same_and_does_nothing(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    scored(there, "wider", 1.2)
    notes.add(there, by="implementer", kind="finding", text="wider helps")
    said = merge(here, [there.root], dry_run=True)
    assert (said.rows, said.rows_added, said.notes_added) == (1, 1, 1) and len(said.experiments_added) == 1
    assert not here.ledger.exists() and not here.notes.exists() and not list(here.experiments.glob("*"))
    done = merge(here, [there.root])
    assert done.model_copy(update={"dry_run": True}) == said


def test_what_is_newer_counts_after_merging_too(machine: Machine) -> None:
    here, there = machine("here"), machine("there")
    notes.add(there, by="implementer", kind="finding", text="older")
    notes.add(here, by="implementer", kind="finding", text="newer")
    merge(here, [there.root])
    assert [note.text for note in notes.read(here)] == ["older", "newer"]


def test_a_ledger_of_another_layout_stays_in_it(machine: Machine, tmp_path: Path) -> None:
    here = machine("here")
    here.ledger.write_text("commit\tval_bpb\tmemory_gb\tstatus\tdescription\nabc\t1.3\t2\tkeep\tbaseline\n")
    other = tmp_path / "laptop.tsv"
    ledger.append(other, row("2026-05-01_wider: h"))
    assert merge(here, [other]).rows == 2
    assert here.ledger.read_text().startswith("commit\tval_bpb\tmemory_gb\tstatus\tdescription\n")
    assert row("2026-05-01_wider: h") in ledger.read(here.ledger)


def test_what_is_no_workspace_or_is_damaged_changes_nothing(machine: Machine, tmp_path: Path) -> None:
    here, there = machine("here"), machine("there")
    ledger.append(here.ledger, row("2026-05-01_a: h"))
    before = here.ledger.read_bytes()
    there.ledger.write_text("no\tledger\n")
    for source, error in (
        (tmp_path / "nowhere", NotFound),
        (tmp_path, NotFound),
        (here.root, BadConfig),
        (here.ledger, BadConfig),
        (there.root, UnreadableInput),
    ):
        with pytest.raises(error):
            merge(here, [source])
    assert here.ledger.read_bytes() == before


def test_a_pipe_or_a_device_is_no_ledger_and_is_not_waited_for(workspace: Workspace, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tsv")
    for place in (tmp_path / "pipe.tsv", Path("/dev/zero")):
        with pytest.raises(NotFound, match="neither a ledger"):
            merge(workspace, [place])
