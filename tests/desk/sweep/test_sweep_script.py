"""Combinations become words, override files and a script; planning starts nothing of it (S74)."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from swept import HOSTILE, SAYS_ITS_SETTINGS, grids, needs_hydra, needs_mlflow, play, said, script_name, written

from golf.cli import main
from golf.desk.sweep import plan
from golf.desk.sweep.values import word

# --- words


@needs_hydra
@given(grids)
def test_s74_hydra_s_own_parser_reads_the_values_back(grid: dict[str, list[Any]]) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser = OverridesParser.create()
    for key, values in grid.items():
        for value in values:
            override = parser.parse_override(word("hydra", key, value))
            read = override.value()
            assert override.key_or_group == key
            assert (str(read) if isinstance(value, str) else read) == value
            assert isinstance(value, str) or type(read) is type(value)


@needs_hydra
def test_s74_override_files_are_composed_by_hydra(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    (here / "conf" / "optimizer").mkdir(parents=True)
    (here / "conf" / "config.yaml").write_text(
        "defaults: [{optimizer: adam}, _self_]\nmodel: {ratio: 2, note: '', betas: [0, 0]}\nlr: 0.1\nseed: 0\n"
    )
    (here / "conf" / "optimizer" / "adam.yaml").write_text("name: adam\n")
    (here / "conf" / "optimizer" / "muon.yaml").write_text("name: muon\nmomentum: 0.95\n")
    folder = written(
        here,
        "command: python train.py\ngrid:\n  optimizer: [adam, muon]\n  model.ratio: [2, 4]\n"
        "  model.betas: [[0.9, 0.95], [0.9, 0.99]]\n"
        f"fixed: {json.dumps({'model.note': HOSTILE[2], '+extra.tag': 'null', 'lr': 1e-05})}\n",
    )
    files = sorted((folder / "configs").glob("*.yaml")) or sorted(folder.glob("*/*.yaml"))
    assert len(files) == 8
    seen = set()
    for file in files:
        with initialize_config_dir(config_dir=str(here / "conf"), version_base=None):
            made = OmegaConf.to_container(compose("config", overrides=yaml.safe_load(file.read_text())), resolve=True)
        assert made["model"]["note"] == HOSTILE[2] and made["extra"]["tag"] == "null" and made["lr"] == 1e-05
        seen.add((made["optimizer"]["name"], made["model"]["ratio"], tuple(made["model"]["betas"])))
        assert made["optimizer"].get("momentum") == (0.95 if made["optimizer"]["name"] == "muon" else None)
    assert len(seen) == 8


@needs_hydra
def test_s74_a_misspelt_setting_is_refused_by_hydra(here: Path) -> None:
    from hydra import compose, initialize_config_dir
    from hydra.errors import ConfigCompositionException

    (here / "conf").mkdir()
    (here / "conf" / "config.yaml").write_text("lr: 0.1\n")
    folder = written(here, "command: c\ngrid: {lrr: [1]}")
    (file,) = folder.glob("*/*.yaml")
    with (
        initialize_config_dir(config_dir=str(here / "conf"), version_base=None),
        pytest.raises(ConfigCompositionException),
    ):
        compose("config", overrides=yaml.safe_load(file.read_text()))


def test_s74_a_setting_that_the_script_never_names_is_pointed_out(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "train.py").write_text("import os\nmult = os.environ.get('MLP_MULT', '2')\nseed = os.environ['SEED']\n")
    written(here, "style: env\ncommand: python train.py\ngrid: {MLP_MULT: [1, 2], MLP_MULTT: [1, 2]}")
    out = capsys.readouterr().out
    assert "train.py names MLP_MULTT nowhere" in out
    assert out.count("nowhere") == 1


# --- the script


def test_s74_planning_starts_no_process(here: Path) -> None:
    """Seen by the interpreter itself: an audit hook that ends the process at the first thing it starts or opens."""
    (here / "configs").mkdir()
    (here / "configs" / "sweep.yaml").write_text(
        f"command: touch started\ngrid: {{a: [1, 2]}}\nfixed: {json.dumps({'b': '$(touch started)'})}\n"
    )
    hook = (
        "import os, sys\n"
        "BAD = ('subprocess.Popen', 'os.system', 'os.exec', 'os.posix_spawn', 'os.spawn', 'os.fork', 'os.forkpty',"
        " 'pty.spawn', 'socket.connect')\n"
        "def hook(name, _):\n"
        "    if name in BAD:\n"
        "        os.write(2, name.encode()); os._exit(77)\n"
        "sys.addaudithook(hook)\n"
        "if '--prove' in sys.argv: os.system('true')\n"
        "from golf.cli import main\n"
        "sys.exit(main(['sweep', 'plan', 'configs/sweep.yaml']))\n"
    )
    done = subprocess.run([sys.executable, "-c", hook], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (here / "configs/sweeps/configs/launch.sh").exists() or list(here.glob("configs/sweeps/*/launch.sh"))
    assert not list(here.rglob("started"))
    assert subprocess.run([sys.executable, "-c", hook, "--prove"], capture_output=True).returncode == 77


@pytest.mark.parametrize("style", ["hydra", "env", "args"])
def test_s74_the_script_passes_bash_and_shellcheck_and_keeps_hostile_words_words(
    style: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "train.py").write_text(SAYS_ITS_SETTINGS)
    values = [one for one in HOSTILE if style != "hydra" or "\\$" not in one]
    sweep = {
        "style": style, "command": [sys.executable, "train.py"], "grid": {"X_A": values}, "seeds": [1],
        "fixed": {"X_B": "c d"}, "tracking": {"tool": "mlflow", "experiment": HOSTILE[2], "tags": {"o": HOSTILE[0]}},
    }  # fmt: skip
    folder = written(here, json.dumps({"name": "hostile", **sweep})) / "hostile"
    text = (folder / script_name()).read_text()
    assert subprocess.run(["bash", "-n", str(folder / script_name())]).returncode == 0
    if (
        shellcheck := shutil.which("shellcheck") or shutil.which("shellcheck", path=Path(sys.executable).parent)
    ) is not None:
        checked = subprocess.run([shellcheck, str(folder / script_name())], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout
    done = play(folder)
    assert done.returncode == 0, done.stderr
    assert not list(here.rglob("pwned"))
    runs = said(here)
    if style == "env":
        assert [one["env"]["X_A"] for one in runs] == values
    else:
        assert [one["argv"][1] for one in runs] == [word(style, "X_A", value) for value in values]
    lines = [shlex.split(line) for line in text.splitlines() if line.startswith("run x_a")]
    assert len(lines) == len(values)


def test_s74_the_script_and_the_override_files_say_the_same(here: Path) -> None:
    folder = written(here, "name: same\ncommand: c\ngrid: {lr: [0.1, 1e-05], kind: [relu, 'a b']}\nseeds: [4]") / "same"
    lines = [shlex.split(line) for line in (folder / script_name()).read_text().splitlines() if line.startswith("run ")]
    by_point = {words[2]: words[5:] for words in lines if len(words) > 5}
    for file in folder.glob("*.yaml"):
        assert by_point[file.stem] == [*yaml.safe_load(file.read_text()), "seed=4"]
    assert len(by_point) == 4


def test_s74_environment_files_can_be_sourced(here: Path) -> None:
    (here / "configs").mkdir()
    values = [one for one in HOSTILE if one]
    (here / "configs" / "sweep.yaml").write_text(
        json.dumps({"name": "e", "style": "env", "command": "c", "grid": {"X_A": values}})
    )
    assert main(["sweep", "plan", "configs/sweep.yaml"]) == 0
    seen = {
        subprocess.run(
            ["bash", "-c", 'set -a; source "$1"; printf %s "$X_A"', "_", str(file)], capture_output=True, text=True
        ).stdout
        for file in (here / "configs/sweeps/e").glob("*.env")
    }
    assert seen == set(values)
    assert not list(here.rglob("pwned"))


def test_s74_planning_again_writes_the_same_and_removes_only_its_own(here: Path) -> None:
    text = "name: twice\ncommand: c\ngrid: {a: [1, 2, 3]}"
    folder = written(here, text) / "twice"
    (folder / "notes.txt").write_text("mine")

    def state() -> dict[str, tuple[bytes, int]]:
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}

    first = state()
    written(here, text)
    changed = {name for name, value in state().items() if value[0] != first[name][0]}
    assert not changed and state().keys() == first.keys()
    assert {name for name, value in state().items() if value[1] != first[name][1]} <= {plan.MANIFEST}
    written(here, text.replace("[1, 2, 3]", "[1, 4]"))
    assert sorted(path.name for path in folder.glob("a*")) == ["a1.yaml", "a4.yaml"]
    assert (folder / "notes.txt").read_text() == "mine"


def test_s74_a_folder_of_another_sweep_is_left_alone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "s.yaml").write_text("name: one\ncommand: c\ngrid: {a: [1]}")
    assert main(["sweep", "plan", "s.yaml", "--out", "place"]) == 0
    (here / "s.yaml").write_text("name: two\ncommand: c\ngrid: {a: [1]}")
    assert main(["sweep", "plan", "s.yaml", "--out", "place"]) == 2
    assert "another sweep's plan" in capsys.readouterr().err


def test_s74_the_script_stops_at_a_failure_or_goes_on_and_never_repeats_what_is_done(here: Path) -> None:
    (here / "train.py").write_text(SAYS_ITS_SETTINGS)
    (here / "break").touch()
    sweep = {"name": "go", "command": [sys.executable, "train.py"], "grid": {"a": [1, 2]}, "seeds": [1, 2, 3]}
    folder = written(here, json.dumps(sweep)) / "go"
    assert play(folder).returncode == 1
    assert len(said(here)) == 2  # stopped at seed 2 of the first
    assert play(folder, "--keep-going").returncode == 1
    assert len(said(here)) == 2 + 5  # the first of them is done
    (here / "break").unlink()
    done = play(folder)
    assert done.returncode == 0 and "4 were done before, 0 failed" in done.stdout
    runs = len(said(here))
    assert play(folder).returncode == 0 and len(said(here)) == runs
    listed = play(folder, "--list").stdout.splitlines()
    assert len(listed) == 6 and all(line.startswith("done") for line in listed)
    changed = {**sweep, "fixed": {"b": 1}}
    written(here, json.dumps(changed))
    assert "to play" in play(folder, "--list").stdout  # other settings are other runs
    assert play(folder, "--wrong").returncode == 2


def test_s74_a_killed_script_goes_on_and_a_second_one_beside_it_is_refused(here: Path) -> None:
    (here / "train.py").write_text(
        "import os, pathlib, time\n"
        "with open('said.jsonl', 'a') as file: file.write('{}\\n')\n"
        "while os.environ['SWEEP_POINT'] == 'a2' and not pathlib.Path('go').exists(): time.sleep(0.02)\n"
    )
    folder = (
        written(here, json.dumps({"name": "k", "command": [sys.executable, "train.py"], "grid": {"a": [1, 2, 3]}}))
        / "k"
    )
    first = subprocess.Popen(
        ["bash", str(folder / script_name())], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    from scene import eventually

    eventually(lambda: len(said(here)) == 2)
    if shutil.which("flock"):
        assert play(folder).returncode == 2  # being played
    first.kill()
    first.wait()
    if shutil.which("flock"):
        assert play(folder).returncode == 2  # its trainer still runs
    (here / "go").touch()
    eventually(lambda: play(folder).returncode == 0)
    assert len(said(here)) == 4  # the first once, the second again, the third


@needs_mlflow
@pytest.mark.filterwarnings("ignore")
def test_s74_mlflow_finds_the_runs_under_their_names_and_tags(here: Path) -> None:
    (here / "train.py").write_text(
        "import warnings; warnings.simplefilter('ignore')\n"
        "import mlflow\n"
        "with mlflow.start_run():\n    mlflow.log_metric('val_loss', 1.0)\n"
    )
    uri = f"sqlite:///{here}/mlflow.db"
    sweep = {
        "name": "tags", "command": [sys.executable, "train.py"], "grid": {"a": [1, 2]}, "seeds": [7],
        "tracking": {"tool": "mlflow", "uri": uri, "experiment": "It's ours", "tags": {"owner": "o'\"n"}},
    }  # fmt: skip
    done = play(written(here, json.dumps(sweep)) / "tags")
    assert done.returncode == 0, "".join(path.read_text() for path in here.rglob("*.log"))
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("It's ours")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["a1-seed7", "a2-seed7"]
    assert {run.data.tags["sweep"] for run in runs} == {"tags"}
    assert {run.data.tags["sweep.point"] for run in runs} == {"a1", "a2"}
    assert {run.data.tags["owner"] for run in runs} == {"o'\"n"}


def test_s74_trackio_gets_its_run_name_through_a_setting(here: Path) -> None:
    sweep = {
        "name": "t", "command": "python t.py", "grid": {"a": [1]}, "seeds": [1],
        "tracking": {"tool": "trackio", "run_name_key": "run_name", "project_key": "project"},
    }  # fmt: skip
    text = (written(here, json.dumps(sweep)) / "t" / script_name()).read_text()
    assert "run a1-seed1 a1 1 " in text and "run_name=a1-seed1 project=t" in text
