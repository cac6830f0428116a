"""Plan, parameter count, then code: the skill says it, and the command it names counts before training (S92)."""

import re
import shlex
from pathlib import Path

import pytest
from bundle_skills import SKILLS

from golf.cli import main
from golf.errors import NotFound, UnreadableInput
from golf.measure.script_defaults import script_defaults
from golf.measure.size_prediction import SETTINGS

NAIVE = Path(__file__).parents[2] / "baselines" / "naive" / "train_gpt.py"
BODY = SKILLS["designing-an-experiment"].body


def test_s92_the_skill_plans_counts_parameters_and_only_then_writes_code() -> None:
    steps = dict(re.findall(r"^(\d+)\. (.*)", BODY, re.MULTILINE))
    place = {
        word: next(int(number) for number, text in steps.items() if word in text)
        for word in ("Count parameters", "Predict bytes", "Show the plan", "Write the claim", "Only now write code")
    }
    assert list(place.values()) == sorted(place.values())
    assert BODY.strip().splitlines()[2].startswith("Write the plan, then the code.")


def test_s92_the_command_the_skill_names_counts_the_parameters_of_a_script_that_was_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """17,059,912 is what the challenge's own baseline logs as model_params; a twelfth layer adds what a layer has."""
    (line,) = re.findall(r"`(golf predict-size [^`]+)`", BODY)
    (tmp_path / "train_gpt.py").write_text(NAIVE.read_text() + "\nraise SystemExit('it was run')\n")
    monkeypatch.chdir(tmp_path)

    def params(*more: str) -> int:
        assert main([*shlex.split(line)[1:], *more]) in (0, 1)
        return int(re.findall(r"^params: (\d+)$", capsys.readouterr().out, re.MULTILINE)[0])

    assert params() == 17_059_912
    layers = [params("--env", f"NUM_LAYERS={number}") for number in (9, 10, 11)]
    assert layers[0] == 17_059_912
    assert layers[1] - layers[0] > 1_500_000
    assert list(tmp_path.iterdir()) == [tmp_path / "train_gpt.py"]


def test_s92_a_script_s_defaults_are_read_by_whatever_function_and_never_run(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import os\nopen('ran', 'w')\n"
        'layers = int(os.environ.get("NUM_LAYERS", 11))\nwidth = env_int("MODEL_DIM", 640)\n'
        'tied = bool(int(os.getenv("TIE_EMBEDDINGS", "0")))\nmult = float(os.environ.get("MLP_MULT", 2 + 1))\n'
        'other = os.environ.get("RUN_NAME", "x")\nagain = int(os.environ.get("NUM_LAYERS", 9))\n'
    )
    assert script_defaults(script, SETTINGS) == {"NUM_LAYERS": "11", "MODEL_DIM": "640", "TIE_EMBEDDINGS": "0"}
    assert not (tmp_path / "ran").exists()
    script.write_text("layers = 11\n")
    with pytest.raises(UnreadableInput, match="say them: --env"):
        script_defaults(script, SETTINGS)
    script.write_text("def broken(:\n")
    with pytest.raises(UnreadableInput, match="no Python"):
        script_defaults(script, SETTINGS)
    with pytest.raises(NotFound, match="no training script"):
        script_defaults(tmp_path / "nothing.py", SETTINGS)
