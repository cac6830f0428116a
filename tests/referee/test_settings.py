"""What is switched on: code, README, shell, log, the strongest of them."""

import ast
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_case import fenced, toy_case
from toy_folder import case_of

from golf.referee.settings import UNKNOWN, Settings, effective, is_on

SCRIPT = """
import os

WIDTH = 4 * 128

class Config:
    adapt_enabled = bool(int(os.environ.get("ADAPT_ENABLED", "0")))
    adapt_epochs = int(os.environ.get("ADAPT_EPOCHS", 3))
    mode = os.environ.get("ADAPT_MODE", "Chunks").lower()
"""


def settings(script: str = SCRIPT, **words) -> Settings:
    return effective(toy_case(script, **words))


def test_a_default_in_code_is_the_value_when_nothing_else_is_said() -> None:
    found = settings().get("adapt_epochs")
    assert found is not None
    assert (found.value, found.source, found.disputed) == (3, "code", False)
    assert (found.evidence.file, found.evidence.line) == ("train_gpt.py", 8)
    assert settings().is_on("adapt_enabled") is False


def test_a_variable_and_its_attribute_are_one_setting() -> None:
    here = settings(readme=fenced("ADAPT_ENABLED=1 torchrun train_gpt.py"))
    assert here.is_on("ADAPT_ENABLED") is here.is_on("adapt_enabled") is True


def test_an_attribute_may_be_called_otherwise_than_its_variable() -> None:
    script = 'import os\nclass C:\n    second_look = os.environ.get("USE_SECOND", "0") == "1"\n'
    here = settings(script, readme=fenced("USE_SECOND=1 python train_gpt.py"))
    assert here.is_on("second_look") is here.is_on("USE_SECOND") is True


def test_the_readme_overrides_the_code_and_its_line_is_the_evidence() -> None:
    found = settings(readme=fenced("SEED=1 \\", "  ADAPT_ENABLED=1 \\", "  torchrun train_gpt.py")).get("adapt_enabled")
    assert found is not None
    assert (found.value, found.source, found.evidence.line) == (True, "readme", 4)


def test_the_shell_overrides_the_readme() -> None:
    here = settings(
        readme=fenced("ADAPT_EPOCHS=5 torchrun train_gpt.py"), shell="export ADAPT_EPOCHS=7\ntorchrun train_gpt.py\n"
    )
    found = here.get("adapt_epochs")
    assert found is not None
    assert (found.value, found.source, found.evidence.file) == (7, "shell", "run.sh")


def test_the_log_overrides_everything(tmp_path: Path) -> None:
    (tmp_path / "train_0.log").write_text("Hyperparameters:\n  adapt_enabled: True\n")
    here = settings(
        readme=fenced("ADAPT_ENABLED=0 torchrun train_gpt.py"), logs=({"adapt_enabled": "True"},), folder=tmp_path
    )
    found = here.get("ADAPT_ENABLED")
    assert found is not None
    assert (found.value, found.source) == (True, "log")
    assert (found.evidence.file, found.evidence.line) == ("train_0.log", 2)


def test_one_odd_log_of_three_does_not_unsettle_a_setting() -> None:
    here = settings(logs=({"adapt_enabled": "True"}, {"adapt_enabled": "False"}, {"adapt_enabled": "True"}))
    assert here.is_on("adapt_enabled") is True


def test_commands_that_differ_leave_a_setting_disputed() -> None:
    here = settings(readme=fenced("ADAPT_ENABLED=1 torchrun train_gpt.py", "torchrun train_gpt.py  # the ablation"))
    found = here.get("adapt_enabled")
    assert found is not None
    assert found.value is True
    assert found.disputed
    assert here.is_on("adapt_enabled") is None


def test_commands_that_come_to_the_same_do_not_dispute() -> None:
    here = settings(readme=fenced("ADAPT_EPOCHS=3 torchrun train_gpt.py", "torchrun train_gpt.py"))
    found = here.get("adapt_epochs")
    assert found is not None
    assert not found.disputed


def test_an_exported_variable_holds_for_the_commands_below_it() -> None:
    here = settings(
        readme=fenced("export ADAPT_ENABLED=1", "SEED=1 torchrun train_gpt.py", "SEED=2 torchrun train_gpt.py")
    )
    assert here.is_on("adapt_enabled") is True


@pytest.mark.parametrize(
    "text",
    [
        "The fallback is `ADAPT_ENABLED=1`.\n",
        fenced("# ADAPT_ENABLED=1 torchrun train_gpt.py", "torchrun train_gpt.py"),
        fenced('echo "ADAPT_ENABLED=1"', "torchrun train_gpt.py"),
        "```python\nADAPT_ENABLED=1\n```\n",
        "```\nADAPT_ENABLED=$FLAG torchrun train_gpt.py\n```\n",
    ],
)
def test_what_is_no_command_sets_nothing(text: str) -> None:
    assert settings(readme=text).is_on("adapt_enabled") is False


def test_a_readme_without_commands_may_list_its_settings_inline() -> None:
    assert settings(readme="- `ADAPT_ENABLED=1 ADAPT_EPOCHS=9`\n").is_on("adapt_enabled") is True


def test_a_shell_default_counts() -> None:
    here = settings(shell='export ADAPT_ENABLED="${ADAPT_ENABLED:-1}"\ntorchrun train_gpt.py\n')
    assert here.is_on("adapt_enabled") is True


def test_a_helper_that_reads_the_environment_is_understood() -> None:
    script = (
        "import os\ndef flag(name, default):\n    return bool(int(os.environ.get(name, default)))\n"
        'get = os.environ.get\nlook_twice = flag("LOOK_TWICE", 0)\nrounds = int(get("ROUNDS", "2"))\n'
    )
    here = settings(script, readme=fenced("LOOK_TWICE=1 torchrun train_gpt.py"))
    assert here.is_on("look_twice") is True
    assert (found := here.get("rounds")) is not None
    assert found.value == 2


def test_a_script_may_set_its_own_environment() -> None:
    script = (
        'import os\nos.environ["LOUD"] = "1"\nos.environ.setdefault("SHY", "1")\n'
        'loud = os.environ.get("LOUD", "0") == "1"\nshy = os.environ.get("SHY", "0") == "1"\n'
    )
    here = settings(script, readme=fenced("LOUD=0 SHY=0 torchrun train_gpt.py"))
    assert here.is_on("loud") is True
    assert here.is_on("shy") is False


def test_an_attribute_that_is_assigned_again_is_disputed() -> None:
    script = SCRIPT + "\ndef main():\n    args = Config()\n    args.adapt_epochs = 9\n"
    assert settings(script).is_on("adapt_epochs") is True  # three or nine: on either way
    found = settings(script).get("adapt_epochs")
    assert found is not None
    assert found.disputed


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("args.adapt_enabled", False),
        ("not args.adapt_enabled", True),
        ("args.adapt_enabled and rank == 0", False),
        ("args.adapt_epochs > 0 or rank == 0", True),
        ("rank == 0", None),
        ("args.adapt_epochs > 0 and rank == 0", None),
        ("args.mode == 'chunks'", True),
        ("args.mode in ('whole', 'chunks')", True),
        ("WIDTH // 2 == 256", True),
        ("os.environ.get('ADAPT_ENABLED', '1') == '1'", True),
        ("'ADAPT_ENABLED' in os.environ", False),
        ("float('no number') > 1", None),
        ("'a' * 10**9", None),
        ("1 / 0", None),
    ],
)
def test_a_condition_is_evaluated_without_running_it(condition: str, expected: bool | None) -> None:
    assert settings().truth(ast.parse(condition, mode="eval").body) is expected


def test_a_name_declared_by_itself_is_unknown() -> None:
    here = settings("first = second\nsecond = first\n")
    assert here.get("first") is None
    assert here.is_on("first") is None


def test_a_very_deep_expression_is_unknown() -> None:
    assert settings().value(ast.parse("not " * 80 + "True", mode="eval").body) is UNKNOWN


def test_a_script_that_does_not_parse_still_leaves_its_readme() -> None:
    found = settings("def broken(:\n", readme=fenced("ROUNDS=4 torchrun train_gpt.py")).get("rounds")
    assert found is not None
    assert found.value == 4


def test_what_nobody_states_is_none() -> None:
    assert settings().get("unheard_of") is None
    assert settings().is_on("unheard_of") is None
    assert settings().is_on() is None


@given(st.one_of(st.booleans(), st.integers(0, 9), st.floats(0, 9)))
def test_a_printed_value_is_on_exactly_when_the_value_is(value: float) -> None:
    assert is_on(str(value)) == is_on(value) == (value != 0)


@given(st.text(string.printable, max_size=200), st.text(string.printable, max_size=200))
def test_any_text_is_read_without_an_error(readme: str, script: str) -> None:
    here = settings(script, readme=f"```\n{readme}\n```\n", shell=readme)
    assert here.is_on("adapt_enabled") in (True, False, None)


def test_a_hundred_thousand_settings_of_a_shell_script_are_read_once(tmp_path: Path) -> None:
    lines = "".join(f"A{number}=1\n" for number in range(100_000))
    case = case_of(
        tmp_path,
        script="import os\nN = int(os.environ.get('STEPS', 1))\n",
        run_sh=f"{lines}STEPS=2 torchrun train_gpt.py\n",
    )
    condition = ast.parse("int(os.environ.get('STEPS', 1)) == 2", mode="eval").body
    assert effective(case).truth(condition) is True
