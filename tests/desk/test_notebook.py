"""Which came first, note or code, by real git histories; what a note states, and what it may not change (S71, S68)."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repositories import CLAIM, Repository, orders
from scene import scored

from golf.cli import main
from golf.desk.notebook import notes
from golf.desk.notebook.notebook import Checked, Notebook, check
from golf.errors import BadConfig, NotFound
from golf.play import experiments
from golf.workspace import Workspace

NOTE = (
    "# Wider\n\n## Hypothesis\n\nA wider MLP learns more per step.\n\n## Expected outcomes\n\nval_bpb 1.20, now 1.22.\n"
    "\n## Rollback criteria\n\nAbove 1.22 after 500 steps.\n"
)


def checked(repository: Repository, **options: Any) -> Notebook:
    options.setdefault("note", "README.md")
    return check([repository.root / "experiments"], **options)


def only(found: Notebook) -> Checked:
    (one,) = found.experiments
    return one


def codes(found: Notebook) -> list[str]:
    return [one.code for one in found.findings]


README, CODE = ("experiments/v4/README.md", NOTE), ("experiments/v4/train.py", "x = 2\n")


# --- what came first ---------------------------------------------------------------------------


def test_s71_a_note_before_its_code_passes_and_code_before_its_note_is_found_with_file_and_line(
    repository: Repository,
) -> None:
    repository.commit(README)
    repository.commit(CODE)
    repository.commit(("experiments/v5/train.py", "x = 3\n"))
    repository.commit(("experiments/v5/README.md", NOTE))
    found = checked(repository)
    assert {Path(one.experiment).name: one.order for one in found.experiments} == {
        "v4": "note first",
        "v5": "code first",
    }
    (finding,) = found.findings
    assert (finding.code, finding.severity, finding.line) == ("CODE_FIRST", "error", 3)
    assert finding.file.endswith("experiments/v5/README.md")
    assert finding.quote == "## Hypothesis"
    assert found.exit_code == 1


def test_s71_what_came_in_one_commit_cannot_be_told_and_is_no_pass(repository: Repository) -> None:
    repository.commit(README, CODE)
    found = checked(repository)
    assert only(found).order == "cannot tell"
    assert "of one commit" in only(found).reason
    assert (codes(found), found.exit_code) == (["ORDER_UNCLEAR"], 2)


def test_s71_what_is_not_committed_is_later_than_what_is(repository: Repository) -> None:
    repository.write(*README)
    repository.write(*CODE)
    assert "not committed yet" in only(checked(repository)).reason
    repository.git("add", README[0])
    repository.git("commit", "--quiet", "-m", "note")
    assert only(checked(repository)).order == "note first"
    repository.commit()
    repository.write(README[0], NOTE.replace("wider MLP", "deeper stack of blocks"))
    assert only(checked(repository)).order == "cannot tell"


def test_s71_a_note_that_was_filled_in_after_the_code_is_no_note_before_it(repository: Repository) -> None:
    repository.commit((README[0], "# Wider\n\n## Hypothesis\n\nTODO\n\n## Expected outcomes\n\n## Rollback criteria\n"))
    repository.commit(CODE)
    assert {"PLACEHOLDER", "EMPTY_HEADING"} <= set(codes(checked(repository)))
    repository.commit(README)
    assert only(checked(repository)).order == "code first"


def test_s71_a_note_that_was_reworded_after_the_code_cannot_be_told(repository: Repository) -> None:
    repository.commit(README)
    repository.commit(CODE)
    repository.commit((README[0], NOTE.replace("learns more per step", "generalises better")))
    assert only(checked(repository)).order == "cannot tell"
    assert "reworded" in only(checked(repository)).reason


def test_s71_a_corrected_comma_is_no_rewording_and_a_changed_number_is_one(repository: Repository) -> None:
    repository.commit((README[0], NOTE.replace("A wider MLP learns", "A wider MLP, learns")))
    repository.commit(CODE)
    repository.commit(README)
    assert only(checked(repository)).order == "note first"
    repository.commit((README[0], NOTE.replace("1.20", "1.25")))
    assert only(checked(repository)).order == "cannot tell"


def test_s71_a_rename_keeps_the_order(repository: Repository) -> None:
    repository.commit(README)
    repository.commit(CODE)
    repository.git("mv", "experiments/v4", "experiments/2026-05-01_v4")
    repository.commit()
    assert only(checked(repository)).order == "note first"


def test_s71_code_that_was_moved_in_from_elsewhere_cannot_be_told(repository: Repository) -> None:
    repository.commit(("experiments/old/README.md", "something else\n"), ("experiments/old/train.py", "y = 5\n" * 20))
    repository.git("rm", "--quiet", "experiments/old/README.md")
    repository.git("mv", "experiments/old/train.py", "experiments/v4.py")
    repository.commit()
    (repository.root / "experiments" / "v4").mkdir()
    repository.git("mv", "experiments/v4.py", "experiments/v4/train.py")
    repository.commit(README)
    one = only(checked(repository))
    assert one.order == "cannot tell"
    assert "moved here from experiments/old/train.py" in one.reason


@pytest.mark.parametrize("name", ["[ab]*", ":(top)x", "a b", "wëird", "-n", "'quoted'"])
def test_s71_any_folder_s_name_is_taken_as_it_is(repository: Repository, name: str) -> None:
    repository.commit((f"experiments/{name}/README.md", NOTE))
    repository.commit((f"experiments/{name}/train.py", "x = 2\n"))
    found = check([repository.root / "experiments"], note="README.md")
    assert [(Path(one.experiment).name, one.order) for one in found.experiments] == [(name, "note first")]


def test_s71_a_squash_takes_the_order_away(repository: Repository) -> None:
    start = repository.git("rev-parse", "HEAD").strip()
    repository.commit(README)
    repository.commit(CODE)
    assert only(checked(repository)).order == "note first"
    repository.git("reset", "--quiet", "--soft", start)
    repository.commit()
    assert only(checked(repository)).order == "cannot tell"


def test_s71_a_history_rebased_into_shape_cannot_be_told(repository: Repository) -> None:
    """Code at ten, note at eleven, then the two commits change places: their dates do not."""
    start = repository.git("rev-parse", "HEAD").strip()
    code = repository.commit(CODE)
    note = repository.commit(README)
    assert only(checked(repository)).order == "code first"
    repository.git("reset", "--quiet", "--hard", start)
    repository.minute += 10
    repository.git("cherry-pick", note)
    repository.git("cherry-pick", code)
    one = only(checked(repository))
    assert one.order == "cannot tell"
    assert "history was rewritten" in one.reason


def test_s71_an_honest_rebase_keeps_the_order(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "work")
    repository.commit(README)
    repository.commit(CODE)
    repository.git("checkout", "--quiet", "main")
    repository.commit(("other.py", "z = 1\n"))
    repository.minute += 5
    repository.git("rebase", "--quiet", "main", "work")
    assert only(checked(repository)).order == "note first"


def test_s71_two_branches_have_no_order(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "notes")
    repository.commit(README)
    repository.git("checkout", "--quiet", "-b", "code", "main")
    repository.commit(CODE)
    repository.git("merge", "--quiet", "--no-edit", "notes")
    one = only(checked(repository))
    assert one.order == "cannot tell"
    assert "two branches" in one.reason


def test_s71_a_shallow_clone_is_no_proof(repository: Repository, tmp_path: Path) -> None:
    repository.commit(README)
    repository.commit(CODE)
    repository.git("clone", "--quiet", "--depth", "1", f"file://{repository.root}", str(tmp_path / "shallow"))
    found = check([tmp_path / "shallow" / "experiments"], note="README.md")
    assert only(found).order == "cannot tell"
    repository.git("clone", "--quiet", "--depth", "2", f"file://{repository.root}", str(tmp_path / "edge"))
    one = only(check([tmp_path / "edge" / "experiments"], note="README.md"))
    assert one.order == "cannot tell"
    assert "git fetch --unshallow" in one.reason


def test_s71_a_result_that_is_older_than_its_code_clears_nobody(repository: Repository) -> None:
    repository.commit(README)
    repository.commit(("experiments/v4/submission.json", "{}\n"))
    repository.commit(CODE)
    assert "older than the code" in only(checked(repository)).reason


@given(st.permutations(["note", "code", "other"]))
def test_s71_in_any_linear_history_the_order_of_commits_decides(order: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        repository = Repository(Path(folder))
        files = {"note": README, "code": CODE, "other": ("x.txt", "x\n")}
        for name in order:
            repository.commit(files[name])
        expected = "note first" if order.index("note") < order.index("code") else "code first"
        assert only(checked(repository)).order == expected


# --- notes without a folder --------------------------------------------------------------------

ALONE = ("experiments/v4-vit.md", NOTE + "\nCode: `configs/v4.yaml`, `src/model.py`.\n")


def test_s71_a_note_alone_is_held_against_the_files_it_names(repository: Repository) -> None:
    """The seed's own layout: experiments/v4-vit-backbone.md, then configs/experiment_v4.yaml."""
    repository.commit((ALONE[0], NOTE + "\nCode: `configs/v4.yaml`.\n"))
    repository.commit(("configs/v4.yaml", "width: 3\n"))
    assert only(check([repository.root / "experiments"], note="")).order == "note first"
    repository.commit(("configs/v5.yaml", "width: 4\n"))
    repository.commit(("experiments/v5.md", NOTE + "\nCode: `configs/v5.yaml`.\n"))
    found = check([repository.root / "experiments"])
    assert [one.order for one in found.experiments] == ["note first", "cannot tell"]
    began = repository.git("rev-parse", "HEAD~2").strip()
    (late,) = check([repository.root / "experiments"], since=began).experiments
    assert (Path(late.experiment).name, late.order) == ("v5.md", "code first")


def test_s71_a_shared_file_needs_to_know_where_the_work_began(repository: Repository) -> None:
    began = repository.commit(("src/model.py", "width = 2\n"), ("configs/v4.yaml", "a: 1\n"))
    repository.commit(ALONE)
    repository.commit(("src/model.py", "width = 3\n"), ("configs/v4.yaml", "a: 2\n"))
    one = only(check([repository.root / "experiments"]))
    assert one.order == "cannot tell"
    assert "--since" in one.reason
    assert only(check([repository.root / "experiments"], since=began)).order == "note first"
    repository.git("reset", "--quiet", "--hard", began)
    repository.commit(("src/model.py", "width = 3\n"))
    repository.commit(ALONE)
    assert only(check([repository.root / "experiments"], since=began)).order == "code first"


# --- what a note states ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        NOTE,
        "Hypothesis\n==========\nMore width helps.\n\nExpected outcome\n---\n1.20\n\nRollback\n---\nafter 500 steps\n",
        "**Hypothesis:** more width helps\n**Expected outcome:** 1.20 bpb\n**Rollback criteria:** no gain at 500\n",
        "- Hypothesis: more width helps\n- Predictions: 1.20 bpb\n- Stopping criteria: step 500 is no better\n",
        "# 1. Hypotheses\nmore width helps\n# 2. Success criteria\n1.20\n# 3. When to give up\nat step 500\n",
    ],
)
def test_s71_headings_are_found_however_they_are_set(text: str) -> None:
    assert notes.read("a.md", text).is_stated


def test_s71_the_template_of_golf_new_has_the_three_headings_in_yaml_and_markdown(workspace: Workspace) -> None:
    (workspace.root / "a.py").write_text("x = 1\n")
    folder = experiments.claim(workspace, "wider", script=workspace.root / "a.py", **CLAIM)
    for name in (experiments.CONFIG, experiments.REPORT):
        note = notes.read(name, (folder / name).read_text())
        assert note.is_stated, name
        assert note.said["rollback_criteria"].words.endswith(CLAIM["rollback_criteria"])


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("", "empty"),
        ("   \n\n", "empty"),
        ("---", "empty"),
        ("TODO", "placeholder"),
        ("tbd.", "placeholder"),
        ("n/a", "placeholder"),
        ("...", "empty"),
        ("<what do you expect?>", "placeholder"),
        ("[fill in]", "placeholder"),
        ("to be filled in", "placeholder"),
        ("better", "placeholder"),
        ("*not stated*", "placeholder"),
        ("<!-- say why -->", "empty"),
        ("1.20", ""),
        ("loss falls faster", ""),
        ("Nothing changes: the loss is the same to 0.001", ""),
    ],
)
def test_s71_a_heading_without_a_statement_is_found(repository: Repository, said: str, problem: str) -> None:
    assert notes.read("a.md", f"## Hypothesis\n\n{said}\n\n## Other\n\ntext\n").missing("hypothesis") == problem


def test_s71_missing_empty_and_placeholder_headings_are_told_apart_with_their_lines(repository: Repository) -> None:
    repository.commit((README[0], "# V4\n\n## Hypothesis\n\nTBD\n\n## Expected outcome\n\n"))
    found = checked(repository)
    assert [(one.code, one.line) for one in found.findings] == [
        ("MISSING_HEADING", 1),
        ("PLACEHOLDER", 3),
        ("EMPTY_HEADING", 7),
    ]
    assert found.findings[0].text == "not stated: rollback criteria"


@given(st.text(max_size=200))
def test_any_text_is_read_as_a_note_or_refused(text: str) -> None:
    for name in ("a.md", "config.yaml"):
        try:
            note = notes.read(name, text)
        except ValueError:
            continue
        lines = len(text.splitlines()) + 1
        assert all(1 <= said.line <= lines for said in note.said.values())


# --- what came after the result ----------------------------------------------------------------


def test_s71_a_statement_that_changed_after_the_result_is_found(repository: Repository) -> None:
    repository.commit(README)
    repository.commit(CODE)
    repository.commit(("experiments/v4/result.json", "{}\n"))
    assert checked(repository).findings == []
    repository.commit((README[0], NOTE.replace("val_bpb 1.20", "val_bpb 1.23")))
    found = [one for one in checked(repository).findings if one.code == "CHANGED_AFTER_RESULT"]
    assert [(one.severity, one.line) for one in found] == [("error", 7)]
    assert "expected outcome was changed after the result" in found[0].text
    repository.commit(README)
    assert "CHANGED_AFTER_RESULT" not in codes(checked(repository))


def test_s71_a_hypothesis_that_was_first_stated_after_the_result_is_found(repository: Repository) -> None:
    repository.commit(("experiments/v4/result.json", "{}\n"))
    repository.commit(README)
    assert codes(checked(repository)) == ["CHANGED_AFTER_RESULT"]


def test_s71_a_change_that_came_with_the_result_cannot_be_told(repository: Repository) -> None:
    repository.commit(README)
    repository.commit((README[0], NOTE.replace("1.20", "1.21")), ("experiments/v4/result.json", "{}\n"))
    found = checked(repository)
    assert (codes(found), found.exit_code) == (["CHANGE_UNCLEAR"], 2)


def test_s71_a_result_written_into_the_note_itself_is_a_result(repository: Repository) -> None:
    repository.commit(README)
    repository.commit((README[0], NOTE + "\n## Results\n\nval_bpb 1.24 over 3 seeds.\n"))
    assert checked(repository).findings == []
    repository.commit((README[0], NOTE.replace("1.20", "1.24") + "\n## Results\n\nval_bpb 1.24 over 3 seeds.\n"))
    assert codes(checked(repository)) == ["CHANGED_AFTER_RESULT"]


def test_s71_a_run_of_caddies_own_remembers_its_claim_without_any_commit(workspace: Workspace) -> None:
    folder = scored(workspace, "wider", 1.2, expected_outcome="1.20 or lower", rollback_criteria="1.22 at step 500")
    assert "CHANGED_AFTER_RESULT" not in codes(check([], workspace=workspace))
    config = folder / experiments.CONFIG
    config.write_text(config.read_text().replace("1.20 or lower", "1.25 or lower"))
    found = [one for one in check([], workspace=workspace).findings if one.code == "CHANGED_AFTER_RESULT"]
    assert [one.text for one in found] == ["the expected outcome is not the one that was played"]
    assert found[0].quote == "expected_outcome: 1.25 or lower"


# --- Caddie's own claims -----------------------------------------------------------------------


def test_s71_a_claim_of_golf_new_proves_itself_though_all_is_committed_at_once(
    claimed: tuple[Workspace, Repository],
) -> None:
    workspace, repository = claimed
    folder = experiments.claim(workspace, "wider", parent="base", **CLAIM)
    (folder / "train_gpt.py").write_text("x = 2\n")
    assert orders(workspace) == {"base": "no code", "wider": "note first"}
    repository.commit()
    assert orders(workspace)["wider"] == "note first"
    assert check([], workspace=workspace).exit_code == 0


def test_s71_a_script_that_was_changed_before_the_claim_came_first(claimed: tuple[Workspace, Repository]) -> None:
    workspace, repository = claimed
    repository.write("mine.py", "x = 7\n")
    experiments.claim(workspace, "mine", parent="base", script=workspace.root / "mine.py", **CLAIM)
    assert orders(workspace)["mine"] == "code first"
    repository.commit()
    assert orders(workspace)["mine"] == "code first"


def test_s71_a_claim_reworded_since_is_left_to_git(claimed: tuple[Workspace, Repository]) -> None:
    workspace, _ = claimed
    folder = experiments.claim(workspace, "wider", parent="base", **CLAIM)
    (folder / "train_gpt.py").write_text("x = 2\n")
    config = folder / experiments.CONFIG
    config.write_text(config.read_text().replace("learns more per step", "forgets less of what it saw"))
    assert orders(workspace)["wider"] == "cannot tell"


def test_s71_settings_alone_are_no_code(claimed: tuple[Workspace, Repository]) -> None:
    workspace, _ = claimed
    experiments.claim(workspace, "longer", parent="base", env={"ITERATIONS": "9"}, **CLAIM)
    assert orders(workspace)["longer"] == "no code"


def test_a_claim_touches_neither_branch_nor_index_nor_files(claimed: tuple[Workspace, Repository]) -> None:
    workspace, repository = claimed
    before = [repository.git("rev-parse", "HEAD"), repository.git("ls-files", "--stage")]
    folder = experiments.claim(workspace, "wider", parent="base", **CLAIM)
    assert [repository.git("rev-parse", "HEAD"), repository.git("ls-files", "--stage")] == before
    shown = repository.git("show", f"refs/golf-claims/{folder.name}:experiments/{folder.name}/config.yaml")
    assert shown == (folder / "config.yaml").read_text()


# --- files that every experiment has -----------------------------------------------------------


def test_s68_creating_an_experiment_makes_config_and_report(workspace: Workspace) -> None:
    (workspace.root / "a.py").write_text("x = 1\n")
    folder = experiments.claim(workspace, "wider", script=workspace.root / "a.py", **CLAIM)
    assert {"config.yaml", "report.md"} <= {path.name for path in folder.iterdir()}
    assert "No score yet. Play it: `golf run" in (folder / "report.md").read_text()


def test_s68_the_linter_finds_what_is_missing(workspace: Workspace) -> None:
    (workspace.root / "a.py").write_text("x = 1\n")
    folders = [experiments.claim(workspace, n, script=workspace.root / "a.py", **CLAIM) for n in ("a", "b", "c")]
    (folders[1] / "report.md").unlink()
    (folders[2] / "config.yaml").unlink()
    found = [one for one in check([], workspace=workspace).findings if one.code.startswith("NO_")]
    assert [(one.code, one.file, one.line) for one in found] == [
        ("NO_REPORT", f"experiments/{folders[1].name}/report.md", 1),
        ("NO_CONFIG", f"experiments/{folders[2].name}/config.yaml", 1),
    ]


def test_s68_a_config_that_is_no_yaml_is_found(workspace: Workspace) -> None:
    (workspace.root / "a.py").write_text("x = 1\n")
    folder = experiments.claim(workspace, "a", script=workspace.root / "a.py", **CLAIM)
    (folder / "config.yaml").write_text("hypothesis: [unclosed\n")
    (folder / "report.md").unlink()
    assert {"UNREADABLE_NOTE", "NO_REPORT"} <= set(codes(check([], workspace=workspace)))


def test_s68_a_repetition_keeps_a_report_until_it_has_its_own(workspace: Workspace) -> None:
    folder = scored(workspace, "wider", 1.2)
    (folder / "report.md").write_text("# measured\n")
    result = experiments.read_result(folder)
    assert result is not None
    experiments.set_aside(folder, result)
    assert "No score yet" in (folder / "report.md").read_text()
    experiments.put_back(folder, "run-other")
    assert (folder / "report.md").read_text() == "# measured\n"


# --- the verb ----------------------------------------------------------------------------------


def test_s71_the_verb_exits_by_what_it_found_and_prints_the_noun(
    claimed: tuple[Workspace, Repository], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, repository = claimed
    monkeypatch.chdir(workspace.root)
    assert main(["notebook"]) == 0
    assert "experiments: 1: 1 no code" in capsys.readouterr().out
    repository.write("mine.py", "x = 7\n")
    experiments.claim(workspace, "mine", parent="base", script=workspace.root / "mine.py", **CLAIM)
    assert main(["notebook", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found == check([], workspace=workspace).model_dump(mode="json")
    assert [one["code"] for one in found["findings"]] == ["CODE_FIRST"]
    assert main(["notebook", "--since", "nowhere"]) == 2


def test_what_cannot_be_checked_says_why(tmp_path: Path, repository: Repository) -> None:
    (tmp_path / "plain" / "v4").mkdir(parents=True)
    with pytest.raises(BadConfig, match="not in a git repository"):
        check([tmp_path / "plain"])
    with pytest.raises(NotFound, match="no folder"):
        check([repository.root / "nothing"])
    (repository.root / "experiments").mkdir()
    with pytest.raises(NotFound, match="no experiment"):
        check([repository.root / "experiments"])


@pytest.mark.parametrize(
    "bomb",
    [
        "a0: &a0 [x, x]\n" + "".join(f"a{at}: &a{at} [*a{at - 1}, *a{at - 1}]\n" for at in range(1, 40)),
        "a: &a [*a]\n",
    ],
)
def test_s68_a_note_whose_aliases_come_to_no_end_is_unreadable_at_once(bomb: str) -> None:
    with pytest.raises(ValueError, match="aliases come to more than 100000 values"):
        notes.read("config.yaml", f"{bomb}hypothesis: it is wider\n")
