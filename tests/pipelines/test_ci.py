"""`golf ci`: changed experiments really played, in a copy that nothing else hears of, and held to a baseline file."""

import contextlib
import io
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from scene import git, on_course

from golf.cli import main
from golf.errors import BadConfig, NotFound, UnreadableInput
from golf.play import baseline, experiments, regressions
from golf.play.regressions import Evaluated
from golf.report import answers as views
from golf.schema import Result
from golf.workspace import Workspace

NAIVE = Path(__file__).parents[2] / "baselines" / "naive" / "train_gpt.py"


def commit(workspace: Workspace) -> str:
    git(workspace.root, "add", "--all")
    git(workspace.root, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--message", "c")
    return git(workspace.root, "rev-parse", "HEAD").strip()


def claim(workspace: Workspace, name: str, **said: Any) -> Path:
    return experiments.claim(workspace, name, hypothesis=f"{name} helps", script=said.pop("script", NAIVE), **said)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory, course: Path) -> tuple[Workspace, Evaluated]:
    """A committed base, and a changed candidate that was evaluated and made the baseline. Tests only read it."""
    workspace = on_course(tmp_path_factory.mktemp("ci"), course)
    (workspace.root / ".gitignore").write_text("outputs/\n")
    claim(workspace, "base", tier="tiny", seeds=[1])
    commit(workspace)
    claim(workspace, "wider", parent="base", env={"MLP_MULT": "3", "ITERATIONS": "5000"})
    scratch = workspace.root.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        patch.setattr(tempfile, "tempdir", str(scratch))
        patch.chdir(workspace.root)
        patch.delenv("GOLF_WORKSPACE", raising=False)
        assert main(["ci", "--since", "HEAD", "--tier", "tiny", "--write-baseline", "--json"]) == 0
    return workspace, Evaluated.model_validate_json(said.getvalue())


def test_s105_only_what_changed_is_played_and_measured(evaluated: tuple[Workspace, Evaluated]):
    _, found = evaluated
    (smoke,) = found.experiments
    assert (smoke.experiment.partition("_")[2], smoke.verdict) == ("wider", "pass")
    assert sorted(smoke.changed) == ["config.yaml", "train_gpt.py"]
    assert smoke.val_bpb is not None and 1 < smoke.val_bpb < 12
    assert found.verdict == "pass"


def test_the_tiers_settings_win_and_the_report_says_what_was_not_exercised(evaluated: tuple[Workspace, Evaluated]):
    workspace, found = evaluated
    assert found.experiments[0].overruled == {"ITERATIONS": "5000 -> 4"}
    page = (workspace.root / "outputs" / "eval_report.md").read_text()
    assert "ITERATIONS 5000 -> 4" in page
    assert "**pass**: 1 changed experiment since" in page


def test_nothing_in_the_workspace_hears_of_a_smoke_test(evaluated: tuple[Workspace, Evaluated]):
    """Not the ledger, not the experiment, not git, not the job list: a smoke score is worth nothing later."""
    workspace, _ = evaluated
    assert not workspace.ledger.exists()
    for name in ("base", "wider"):
        folder = experiments.find(workspace, name)
        assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", "report.md", "train_gpt.py"]
    assert experiments.load(experiments.find(workspace, "wider")).env["ITERATIONS"] == "5000"
    assert git(workspace.root, "for-each-ref", "refs/golf") == ""
    assert len(git(workspace.root, "worktree", "list").splitlines()) == 1
    assert list((workspace.root.parent / "scratch").iterdir()) == []
    assert not (workspace.root / ".golf" / "golf.db").exists()


def test_a_written_baseline_names_tier_and_data_and_tolerates_a_percent(evaluated: tuple[Workspace, Evaluated]):
    workspace, found = evaluated
    (smoke,) = found.experiments
    kept = baseline.read(workspace.root / "configs" / "baseline.yaml")
    assert (kept.tier, kept.data) == ("tiny", found.data)
    expected = kept.experiments[smoke.experiment]
    assert set(expected) == {"val_bpb", "artifact_bytes"}
    assert expected["val_bpb"].value == smoke.val_bpb  # the same seed on the same machine
    assert expected["val_bpb"].tolerance == pytest.approx(0.01 * expected["val_bpb"].value, rel=0.05)


def test_s105_a_regression_is_exit_1_with_the_numbers(
    evaluated: tuple[Workspace, Evaluated],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    workspace, found = evaluated
    monkeypatch.chdir(workspace.root)
    name, file = found.experiments[0].experiment, tmp_path / "b.yaml"
    kept = yaml.safe_load((workspace.root / "configs" / "baseline.yaml").read_text())
    kept["experiments"][name]["val_bpb"] = {"value": 0.5, "tolerance": 0.1}
    file.write_text(yaml.safe_dump(kept))
    arguments = ["ci", "--since", "HEAD", "--tier", "tiny", "--baseline", str(file), "--report", str(tmp_path / "r.md")]
    assert main([*arguments, "--json"]) == 1
    again = Evaluated.model_validate_json(capsys.readouterr().out)
    (smoke,) = again.experiments
    assert (again.verdict, smoke.verdict, again.data) == ("regression", "regression", found.data)
    assert {check.metric: check.verdict for check in smoke.checks} == {"artifact_bytes": "pass", "val_bpb": "fail"}
    page = (tmp_path / "r.md").read_text()
    assert f"| `{name}` | val_bpb | {smoke.val_bpb:.6f} | 0.500000 | 0.600000 | fail |" in page


def test_a_script_that_breaks_could_not_be_measured_and_the_report_quotes_it_as_text(
    course_workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    script = tmp_path / "train_gpt.py"
    script.write_text("raise SystemExit('no ```luck``` | <b>here</b> \\x1b[31m')\n")
    claim(course_workspace, "base", tier="tiny")
    commit(course_workspace)
    claim(course_workspace, "broken", tier="tiny", script=script)
    assert main(["ci", "--since", "HEAD", "--tier", "tiny"]) == 2
    out, err = capsys.readouterr()
    assert "not measured" in out
    page = (course_workspace.root / "outputs" / "eval_report.md").read_text()
    assert "no '''luck''' / <b>here</b> [31m" in page.split("```text")[1].split("```")[0]
    assert page.count("```") == 2
    assert "\x1b" not in page + out + err
    assert not course_workspace.ledger.exists()


# --- what counts as changed --------------------------------------------------------------------


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Runs that end at once with the numbers in it: for what is done with numbers; the runs above are real."""
    numbers: dict[str, Any] = {"val_bpb": 2.0, "artifact_bytes": 1000, "train_time_s": 5.0, "played": []}

    def play(copy: Workspace, name: str, on_poll: object) -> Result:
        numbers["played"].append(name.partition("_")[2])
        measured = {key: value for key, value in numbers.items() if key != "played"}
        head = {"experiment": name, "run_id": "r", "commit": "c", "tier": "tiny", "status": "keep", "promoted": "no"}
        return Result.model_validate(
            {**head, **measured, "hypothesis": "h", "data": "d 1", "finished_at": datetime.now(UTC)}
        )

    monkeypatch.setattr(regressions, "_play", play)
    return numbers


@pytest.fixture
def base(course_workspace: Workspace, instant: dict[str, Any]) -> Workspace:
    """One committed experiment."""
    claim(course_workspace, "base", tier="tiny")
    commit(course_workspace)
    return course_workspace


def test_nothing_changed_is_a_pass_that_plays_nothing(base: Workspace, instant: dict[str, Any]):
    found = regressions.evaluate(base, since="HEAD", tier="tiny")
    assert (found.verdict, found.experiments, instant["played"]) == ("pass", [], [])
    assert "no experiment changed" in views.page(found)


@pytest.mark.parametrize(
    ("file", "is_played"),
    [
        *((name, True) for name in ("config.yaml", "train_gpt.py", "helper.py")),
        *((name, False) for name in ("review.json", "report.md", "logs/train_seed1.log", "artifact/seed1/x.ptz")),
    ],
)
def test_an_experiments_own_files_count_and_what_runs_write_does_not(
    base: Workspace, instant: dict[str, Any], file: str, is_played: bool
):
    path = experiments.find(base, "base") / file
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as changed:
        changed.write("\n# changed\n")
    regressions.evaluate(base, since="HEAD", tier="tiny")
    assert instant["played"] == (["base"] if is_played else [])


def test_a_branch_counts_from_where_this_one_left_it(base: Workspace, instant: dict[str, Any]):
    git(base.root, "checkout", "--quiet", "-b", "main-moved-on")
    claim(base, "theirs", tier="tiny")
    commit(base)
    git(base.root, "checkout", "--quiet", "-")
    claim(base, "mine", tier="tiny")
    commit(base)
    regressions.evaluate(base, since="main-moved-on", tier="tiny")
    assert instant["played"] == ["mine"]


def test_the_commit_before_head_is_the_default(base: Workspace, instant: dict[str, Any]):
    claim(base, "second", tier="tiny")
    commit(base)
    regressions.evaluate(base, tier="tiny")
    assert instant["played"] == ["second"]


def test_an_experiment_that_is_gone_is_said_and_not_played(base: Workspace, instant: dict[str, Any]):
    folder = experiments.find(base, "base")
    (folder / "config.yaml").unlink()
    found = regressions.evaluate(base, since="HEAD", tier="tiny")
    assert instant["played"] == []
    assert f"{folder.name} has no config.yaml any more" in found.notes[0]


def test_a_workspace_within_a_larger_repository_is_copied_with_it(
    tmp_path: Path, course: Path, monkeypatch: pytest.MonkeyPatch, instant: dict[str, Any]
):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "research").mkdir()
    workspace = on_course(tmp_path / "research" / "golf", course)
    shutil.rmtree(workspace.root / ".git")
    claim(workspace, "base", tier="tiny")
    commit(workspace)
    claim(workspace, "next", tier="tiny")
    regressions.evaluate(workspace, since="HEAD", tier="tiny")
    assert instant["played"] == ["next"]


@pytest.mark.parametrize("since", ["nowhere", "--output=x", ""])
def test_a_commit_that_is_none_is_refused_with_what_ci_needs(base: Workspace, since: str):
    with pytest.raises(BadConfig, match="fetch-depth: 0"):
        regressions.evaluate(base, since=since, tier="tiny")
    assert not Path("x").exists()


def test_a_first_commit_has_none_before_it(base: Workspace):
    with pytest.raises(BadConfig, match="no second commit"):
        regressions.evaluate(base, tier="tiny")


def test_an_unknown_tier_is_refused_before_anything_is_played(base: Workspace, instant: dict[str, Any]):
    with pytest.raises(BadConfig, match="no tier 'moon'"):
        regressions.evaluate(base, since="HEAD", tier="moon")
    assert instant["played"] == []


# --- the baseline file -------------------------------------------------------------------------


def held_to(workspace: Workspace, text: str) -> Evaluated:
    claim(workspace, "next", tier="tiny")
    file = workspace.root / "expected.yaml"
    file.write_text(text)
    return regressions.evaluate(workspace, since="HEAD", tier="tiny", baseline_file=file)


@pytest.mark.parametrize(
    ("text", "verdict", "said"),
    [
        ("metrics: {val_bpb: {value: 2.0}}", "pass", "within the baseline"),
        ("metrics: {val_bpb: {value: 1.9, tolerance: 0.1}}", "pass", "within the baseline"),
        ("metrics: {val_bpb: {value: 1.9, tolerance: 0.09}}", "regression", "val_bpb 2 over 1.99"),
        (
            "metrics: {train_time_s: {value: 1, tolerance: 1}, val_bpb: {value: 3}}",
            "regression",
            "train_time_s 5 over 2",
        ),
        ("metrics: {artifact_bytes: {value: 20000000}}", "pass", "within the baseline"),
        ("metrics: {memory_gb: {value: 1}}", "not measured", "expects memory_gb, and this run has none"),
        ("data: d 1\nmetrics: {val_bpb: {value: 3}}", "pass", "within"),
        ("data: d 2\nmetrics: {val_bpb: {value: 3}}", "not measured", "the baseline's numbers are of d 2"),
        ("experiments: {other: {val_bpb: {value: 1}}}", "pass", "compared with nothing"),
        ("", "pass", "compared with nothing"),
    ],
)
def test_a_metric_may_be_worse_by_its_tolerance_and_no_more(base: Workspace, text: str, verdict: str, said: str):
    found = held_to(base, text)
    assert (found.verdict, found.experiments[0].verdict) == (verdict, verdict)
    assert said in found.experiments[0].reason


def test_an_experiments_own_numbers_win_over_those_for_all(base: Workspace):
    name = claim(base, "next", tier="tiny").name
    (base.root / "b.yaml").write_text(
        yaml.safe_dump({"metrics": {"val_bpb": {"value": 1}}, "experiments": {name: {"val_bpb": {"value": 3}}}})
    )
    found = regressions.evaluate(base, since="HEAD", tier="tiny", baseline_file=base.root / "b.yaml")
    assert found.verdict == "pass"


def test_the_size_limit_holds_without_a_baseline_file(base: Workspace, instant: dict[str, Any]):
    instant["artifact_bytes"] = 16_000_001
    claim(base, "next", tier="tiny")
    found = regressions.evaluate(base, since="HEAD", tier="tiny")
    assert (found.verdict, found.experiments[0].reason) == ("regression", "artifact_bytes 16000001 over 16000000")


def test_an_experiment_without_numbers_is_said_to_be_compared_with_nothing(base: Workspace):
    found = held_to(base, "experiments: {other: {val_bpb: {value: 1}}}")
    assert not found.experiments[0].is_compared
    assert found.notes == [f"not in the baseline file: {found.experiments[0].experiment}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("metrics: {val_bpd: {value: 1}}", "val_bpd"),
        ("metrics: {val_bpb: {value: .nan}}", "finite"),
        ("metrics: {val_bpb: {value: 1, tolerance: -1}}", "tolerance"),
        ("metrics: {val_bpb: 1}", "val_bpb"),
        ("metric: {}", "metric"),
        ("- 1", "valid dictionary"),
        ("a: [", "could not be read"),
        ("!!python/object/apply:os.system [true]", "could not be read"),
        ("tier: local", "tiers do not compare"),
        ("#" + "x" * 1_000_000, "no baseline file"),
    ],
    ids=lambda value: value[:30],
)
def test_a_file_that_is_no_baseline_is_refused_with_the_key(
    base: Workspace, instant: dict[str, Any], text: str, said: str
):
    with pytest.raises(BadConfig, match=said):
        held_to(base, text)
    assert instant["played"] == []


def test_a_baseline_file_that_is_named_must_be_there(base: Workspace):
    with pytest.raises(NotFound, match="golf ci --write-baseline"):
        regressions.evaluate(base, since="HEAD", tier="tiny", baseline_file=base.root / "gone.yaml")


def test_writing_keeps_what_the_file_says_of_others(base: Workspace, instant: dict[str, Any]):
    file = base.root / "b.yaml"
    file.write_text(
        "tier: tiny\nmetrics: {train_time_s: {value: 60}}\nexperiments: {old: {val_bpb: {value: 1, tolerance: 0.5}}}\n"
    )
    name = claim(base, "next", tier="tiny").name
    regressions.keep(file, regressions.evaluate(base, since="HEAD", tier="tiny"))
    kept = baseline.read(file)
    assert set(kept.experiments) == {"old", name}
    assert (kept.data, kept.metrics["train_time_s"].value) == ("d 1", 60)
    assert kept.experiments["old"]["val_bpb"].tolerance == 0.5
    assert kept.experiments[name]["artifact_bytes"].model_dump() == {"value": 1000, "tolerance": 10}


def test_numbers_of_other_data_do_not_mix_into_a_baseline(base: Workspace):
    file = base.root / "b.yaml"
    file.write_text("data: d 2\n")
    claim(base, "next", tier="tiny")
    with pytest.raises(BadConfig, match="of data d 2, these are of d 1"):
        regressions.keep(file, regressions.evaluate(base, since="HEAD", tier="tiny"))


def test_nothing_measured_makes_no_baseline(base: Workspace):
    with pytest.raises(UnreadableInput, match="no baseline was written"):
        regressions.keep(base.root / "b.yaml", regressions.evaluate(base, since="HEAD", tier="tiny"))
    assert not (base.root / "b.yaml").exists()
