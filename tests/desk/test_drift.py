"""Settings now against those of a tracked run: what was added, removed, changed, or has another type (S73)."""

import copy
import importlib.util
import json
import math
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import scored

from golf.cli import main
from golf.desk.drift import tracked
from golf.desk.drift.differences import HIDDEN, Drift, drift
from golf.desk.drift.parameters import KEYS_MAX, Parameters, flat, literal, read_configs
from golf.errors import AmbiguousInput, BadConfig, NotFound, UnreadableInput
from golf.play import ledger
from golf.workspace import Workspace

needs_hydra = pytest.mark.skipif(not importlib.util.find_spec("hydra"), reason="hydra-core is not installed")
needs_mlflow = pytest.mark.skipif(not importlib.util.find_spec("mlflow"), reason="mlflow is not installed")

scalars = st.one_of(
    st.booleans(), st.integers(-(10**6), 10**6), st.floats(allow_nan=False, width=32), st.text("abc ", max_size=4)
)
names = st.text("abcdef", min_size=1, max_size=3)
tables = st.dictionaries(names, st.one_of(scalars, st.dictionaries(names, scalars, min_size=1, max_size=3)), max_size=5)


def typed(table: dict[str, Any]) -> Parameters:
    return Parameters("p", True, flat(table))


def texts(table: dict[str, str]) -> Parameters:
    return Parameters("p", False, {**flat({key: literal(value) for key, value in table.items()})})


def kinds(found: Drift) -> dict[str, str]:
    return {one.key: one.kind for one in found.changes}


# --- comparing


@given(tables)
def test_s73_settings_do_not_drift_from_themselves(table: dict[str, Any]) -> None:
    assert not drift(typed(table), typed(copy.deepcopy(table))).has_drift


@given(tables, tables)
def test_s73_what_is_added_one_way_is_removed_the_other(one: dict[str, Any], other: dict[str, Any]) -> None:
    there, back = drift(typed(one), typed(other)), drift(typed(other), typed(one))
    assert {key for key, kind in kinds(there).items() if kind == "added"} == {
        key for key, kind in kinds(back).items() if kind == "removed"
    }
    assert there.same == back.same
    assert len(there.changes) == len(back.changes)


@given(tables, names, scalars)
def test_s73_one_changed_setting_is_the_only_one_found(table: dict[str, Any], name: str, value: Any) -> None:
    before = {**table, name: "before"}
    found = drift(typed({**table, name: value}), typed(before))
    assert kinds(found) == {name: "changed"}


def test_s73_nested_settings_are_named_with_dots_and_each_kind_is_told() -> None:
    run = {"model": {"layers": 9, "dim": 512}, "lr": 0.02, "old": True, "betas": [0.9, 0.95]}
    now = {"model": {"layers": 9, "dim": 640}, "lr": "0.02", "new": None, "betas": [0.9, 0.99]}
    assert kinds(drift(typed(now), typed(run))) == {
        "model.dim": "changed",
        "betas.1": "changed",
        "lr": "type_changed",
        "new": "added",
        "old": "removed",
    }


@pytest.mark.parametrize(
    ("now", "run", "same"),
    [
        ("1e-3", "0.001", True),
        ("0.001", "0.0010000000000000002", False),
        ("9", "9.0", True),
        ("True", "true", True),
        ("1", "True", True),
        ("none", "None", True),
        ("nan", "NaN", True),
        ("9007199254740993", "9007199254740992", False),
        ("muon", "Muon", False),
        ("007", "7", True),
        ("1_000", "1000", False),
    ],
)
def test_s73_texts_are_compared_as_what_they_stand_for(now: str, run: str, same: bool) -> None:
    assert drift(texts({"a": now}), texts({"a": run})).has_drift is not same


def test_a_type_is_said_to_change_only_where_both_sides_have_types() -> None:
    assert kinds(drift(typed({"a": 1}), typed({"a": 1.0}))) == {"a": "type_changed"}
    assert kinds(drift(typed({"a": True}), typed({"a": 1}))) == {"a": "type_changed"}
    assert not drift(typed({"a": 1, "b": True}), texts({"a": "1", "b": "1"})).has_drift


def test_a_name_in_other_case_is_the_same_unless_both_are_there() -> None:
    assert not drift(typed({"matrix_lr": 0.04}), texts({"MATRIX_LR": "0.04"})).has_drift
    both = drift(typed({"lr": 1, "LR": 2}), typed({"Lr": 1}))
    assert kinds(both) == {"lr": "added", "LR": "added", "Lr": "removed"}


def test_what_is_asked_to_be_ignored_is_counted_and_left_out() -> None:
    found = drift(
        typed({"seed": 1, "paths": {"out": "a"}, "lr": 1}), typed({"seed": 2, "lr": 1}), ignore=["*SEED", "paths.*"]
    )
    assert (found.has_drift, found.ignored, found.same) == (False, 2, 1)


def test_secrets_are_compared_and_never_shown() -> None:
    found = drift(typed({"hf_token": "hf_new", "num_tokens": 5}), typed({"hf_token": "hf_old", "num_tokens": 4}))
    assert "hf_new" not in found.model_dump_json() and "hf_old" not in found.model_dump_json()
    assert {one.key: one.current for one in found.changes} == {"hf_token": HIDDEN, "num_tokens": 5}


@given(st.floats())
def test_every_number_can_be_shown_as_json(value: float) -> None:
    found = drift(typed({"a": value}), typed({"a": "text"}))
    assert json.loads(found.model_dump_json())["has_drift"]


# --- reading


FILES = {
    "a.yaml": "model:\n  layers: 9\n  lr: 1e-3\nname: x\nflag: true\n",
    "a.toml": 'name = "x"\nflag = true\n[model]\nlayers = 9\nlr = 1e-3\n',
    "a.json": '{"model": {"layers": 9, "lr": 1e-3}, "name": "x", "flag": true}',
}


@pytest.mark.parametrize("file", FILES)
def test_s73_yaml_toml_and_json_say_the_same(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text(FILES[file])
    found = read_configs([tmp_path / file])
    assert {name: one.value for name, one in found.values.items()} == {
        "model.layers": 9, "model.lr": 0.001, "name": "x", "flag": True,
    }  # fmt: skip
    lines = FILES[file].splitlines()
    for name, one in found.values.items():
        assert one.line is not None
        assert name.split(".")[-1] in lines[one.line - 1]


def test_s73_an_environment_file_is_read_with_quotes_exports_and_comments(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# MATRIX_LR=9\nexport MATRIX_LR=0.04  # was 0.02\nNAME='a b' \nEMPTY=\nSEED=1337\n")
    found = read_configs([tmp_path / ".env"])
    assert not found.is_typed
    assert {name: one.value for name, one in found.values.items()} == {
        "MATRIX_LR": 0.04, "NAME": "a b", "EMPTY": "", "SEED": 1337,
    }  # fmt: skip


def test_s73_a_script_s_defaults_go_by_the_variables_they_are_read_from_and_nothing_is_run(tmp_path: Path) -> None:
    script = tmp_path / "train_gpt.py"
    script.write_text(
        "import os\nPATTERNS = ('a', 'b')\nclass Hyperparameters:\n"
        '    matrix_lr = float(os.environ.get("MATRIX_LR", 0.04))\n'
        '    tie = bool(int(os.environ.get("TIE_EMBEDDINGS", "1")))\n'
        f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    )
    found = read_configs([script])
    assert found.values["MATRIX_LR"].value == 0.04
    assert found.values["MATRIX_LR"].line == 4
    assert "patterns" not in {name.lower() for name in found.values}
    assert not (tmp_path / "ran").exists()
    run = texts({"MATRIX_LR": "0.04", "TIE_EMBEDDINGS": "1"})
    assert not drift(found, run).has_drift


def test_what_only_running_a_script_would_tell_is_no_drift(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("steps = 5 * 8\nsteps //= 2\nlr = 0.1\n")
    (tmp_path / "now.py").write_text("steps = 40\nlr = 0.1\n")
    found = drift(read_configs([tmp_path / "now.py"]), read_configs([tmp_path / "train.py"]))
    assert (found.has_drift, found.untold, found.same) == (False, ["steps"], 1)


def test_later_files_and_overrides_win(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("lr: 1\nb: 2\n")
    (tmp_path / "b.toml").write_text("lr = 3\n")
    found = read_configs([tmp_path / "a.yaml", tmp_path / "b.toml"], ["b=5"])
    assert {name: one.value for name, one in found.values.items()} == {"lr": 3, "b": 5}


@needs_hydra
def test_s73_hydra_s_defaults_and_overrides_are_composed_by_hydra_itself(tmp_path: Path) -> None:
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "adam.yaml").write_text("name: adam\nlr: 1e-3\n")
    (tmp_path / "optimizer" / "muon.yaml").write_text("name: muon\nlr: 0.02\nwarmup: ${steps}\n")
    config = tmp_path / "config.yaml"
    config.write_text("defaults:\n  - optimizer: adam\n  - _self_\nsteps: 100\n")
    plain = read_configs([config])
    assert {name: one.value for name, one in plain.values.items()} == {
        "optimizer.name": "adam", "optimizer.lr": 0.001, "steps": 100,
    }  # fmt: skip
    other = read_configs([config], ["optimizer=muon", "steps=7"])
    assert other.values["optimizer.warmup"].value == 7
    assert kinds(drift(other, plain)) == {
        "optimizer.lr": "changed", "optimizer.name": "changed", "steps": "changed", "optimizer.warmup": "added",
    }  # fmt: skip
    with pytest.raises(BadConfig, match="optimizer"):
        read_configs([config], ["optimizer=none_such"])


@needs_hydra
def test_references_are_resolved_by_omegaconf(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("dim: 512\nmodel:\n  dim: ${dim}\n")
    assert read_configs([tmp_path / "a.yaml"]).values["model.dim"].value == 512
    (tmp_path / "b.yaml").write_text("model: ${nothing}\n")
    with pytest.raises(BadConfig, match="nothing"):
        read_configs([tmp_path / "b.yaml"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "- 1\n"),
        ("a.yaml", "a: [\n"),
        ("a.yaml", "a: !!python/object/apply:os.system ['true']\n"),
        ("a.toml", "a = \n"),
        ("a.json", "[1]"),
        ("a.json", "[" * 100_000),
        (".env", "nothing\n"),
        ("a.py", "def (\n"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UnreadableInput):
        read_configs([tmp_path / name])


def test_aliases_that_grow_without_end_are_refused(tmp_path: Path) -> None:
    rows = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    (tmp_path / "a.yaml").write_text("\n".join(["a0: &a0 [1]", *rows]))
    with pytest.raises(UnreadableInput, match=f"{KEYS_MAX:,}"):
        read_configs([tmp_path / "a.yaml"])


# --- runs


def test_s73_an_experiment_is_compared_by_its_result_and_by_tag_the_newest_promoted_one(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    first = scored(workspace, "first", 1.3, env={"MATRIX_LR": "0.02", "NUM_LAYERS": "9"})
    second = scored(workspace, "second", 1.2, env={"MATRIX_LR": "0.04", "NUM_LAYERS": "9"})
    rows = ledger.read(workspace.ledger)
    ledger.replace(workspace.ledger, [row.model_copy(update={"promoted": "yes"}) for row in rows[:1]] + rows[1:])
    Path("now.yaml").write_text("matrix_lr: 4e-2\nnum_layers: 9\n")
    assert main(["drift", "now.yaml", "--run", second.name]) == 0
    assert main(["drift", "now.yaml", "--run", str(second / "result.json")]) == 0
    capsys.readouterr()
    assert main(["drift", "now.yaml", "--tag", "deployed", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert first.name in found["run"]
    assert [(one["key"], one["run"], one["current"], one["line"]) for one in found["changes"]] == [
        ("matrix_lr", 0.02, 0.04, 1)
    ]
    assert main(["drift", "now.yaml", "--tag", "deployed"]) == 1
    assert "drift matrix_lr: changed, 0.02 → 0.04, now.yaml:1" in capsys.readouterr().out


def test_s73_a_trackio_run_is_read_from_its_own_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import subprocess
    import sys

    script = (
        "from golf.desk.tracking.trackio_store import TrackioTracker; from pathlib import Path; import sys\n"
        "run = TrackioTracker(Path(sys.argv[1]), 'p')\n"
        "run.start('r', {'lr': 0.1, 'model': {'dim': 8}}, key='k'); run.log({'loss': 1.0}, 1); run.finish()"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(tmp_path)], check=True, capture_output=True)
    (tmp_path / "a.toml").write_text("lr = 0.1\n[model]\ndim = 16\n")
    argv = ["drift", str(tmp_path / "a.toml"), "--trackio", str(tmp_path / "p.db"), "--run"]
    assert main([*argv, "r", "--json"]) == 1
    assert [one["key"] for one in json.loads(capsys.readouterr().out)["changes"]] == ["model.dim"]
    assert main([*argv, "nobody"]) == 2


def test_two_trackio_runs_of_one_name_are_told_apart_or_refused() -> None:
    same = tracked.of_trackio(lambda: [("r", {"a": 1, "_Created": "x"}), ("r", {"a": 1, "_Created": "y"})], "r", "s")
    assert set(same.values) == {"a"}
    with pytest.raises(AmbiguousInput):
        tracked.of_trackio(lambda: [("r", {"a": 1}), ("r", {"a": 2})], "r", "s")


@pytest.fixture
def mlflow_store(tmp_path: Path) -> str:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its database library
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=uri)
        experiment = client.create_experiment("e")
        for name, rate in (("old", 0.02), ("new", 1e-3), ("twin", 1), ("twin", 2)):
            run = client.create_run(experiment, run_name=name, tags={"stage": "deployed"} if name == "new" else {})
            client.log_param(run.info.run_id, "lr", rate)
            client.log_param(run.info.run_id, "model", {"dim": 512, "betas": (0.9, 0.95)})
            client.log_param(run.info.run_id, "optim.name", "muon")
    return uri


@needs_mlflow
def test_s73_an_mlflow_run_is_read_from_a_real_store_by_id_name_and_tag(
    mlflow_store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "a.yaml"
    config.write_text("lr: 0.001\nmodel:\n  dim: 512\n  betas: [0.9, 0.95]\noptim:\n  name: muon\n")
    argv = ["drift", str(config), "--mlflow", mlflow_store]
    assert main([*argv, "--run", "new"]) == 0
    assert main([*argv, "--tag", "deployed"]) == 0
    assert main([*argv, "--tag", "stage=deployed"]) == 0
    capsys.readouterr()
    assert main([*argv, "--run", "old", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(one["key"], one["kind"], one["run"]) for one in found["changes"]] == [("lr", "changed", 0.02)]
    by_id = found["run"].split("MLflow ")[1].rstrip(")")
    assert main([*argv, "--run", by_id]) == 1
    for refused in (["--run", "nobody"], ["--run", "twin"], ["--tag", "stage=none"]):
        assert main([*argv, *refused]) == 2
    with pytest.raises(NotFound):
        tracked.of_mlflow(f"sqlite:///{tmp_path / 'none.db'}", "new", None)
    assert not (tmp_path / "none.db").exists()


def test_which_run_is_meant_has_to_be_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\n")
    assert main(["drift", str(tmp_path / "a.yaml")]) == 2
    assert "--tag promoted" in capsys.readouterr().err


def test_a_number_is_what_python_makes_of_it() -> None:
    assert literal("1e-3") == 0.001
    assert isinstance(literal("3"), int)
    assert literal("1_000") == "1_000"
    assert math.isinf(literal("-inf"))
