"""Which scripts run, and which of their lines are ever reached."""

from pathlib import Path

from toy_case import fenced, toy_case
from toy_folder import case_of

from golf.referee.program import Program
from golf.referee.settings import effective

SCRIPT = """\
import os
from second_thoughts import rethink

class Config:
    look_back = bool(int(os.environ.get("LOOK_BACK", "0")))

def never_called():
    return 1  # line 8

def called():
    return 2  # line 11

def looks_back():
    return 3  # line 14

class Model:
    def forward(self, x):
        return x  # line 18

    def unused(self, x):
        return x  # line 21

def main(args):
    called()
    Model()
    if args.look_back:
        looks_back()
    if not args.look_back:
        return
    rethink()  # line 30

if __name__ == "__main__":
    main(Config())
"""


def program(script: str = SCRIPT, **words) -> Program:
    case = toy_case(script, **words)
    return Program(case, effective(case))


def reached(here: Program, *lines: int) -> list[bool]:
    return [here.reaches("train_gpt.py", line) for line in lines]


def test_what_nobody_names_is_not_reached() -> None:
    assert reached(program(), 8, 11, 18, 21) == [False, True, True, False]


def test_a_guard_that_the_settings_decide_decides_what_is_reached() -> None:
    assert reached(program(), 14, 30) == [False, False]


def test_a_switch_in_the_readme_opens_the_guard() -> None:
    here = program(readme=fenced("LOOK_BACK=1 torchrun train_gpt.py"))
    assert reached(here, 14, 30) == [True, True]


def test_a_name_in_a_comment_reaches_nothing() -> None:
    assert reached(program("def quiet():\n    return 1\n\nx = 2  # not quiet()\n"), 2) == [False]


def test_an_imported_script_is_part_of_the_program() -> None:
    here = program(second_thoughts="def rethink():\n    return 1\n\nVALUE = 2\n")
    assert here.reaches("second_thoughts.py", 4)
    assert [module.script.name for module in here.entries] == ["train_gpt.py"]


def test_what_another_script_names_is_reached() -> None:
    helper = "def rethink():\n    return deeper()\n\ndef deeper():\n    return 5\n\ndef idle():\n    return 8\n"
    here = program(second_thoughts=helper, readme=fenced("LOOK_BACK=1 torchrun train_gpt.py"))
    assert [here.reaches("second_thoughts.py", line) for line in (2, 5, 8)] == [True, True, False]


def test_a_script_that_the_main_one_starts_by_name_is_an_entry() -> None:
    here = program('exec(open("train_core.py").read())\n', train_core="x = 1\n", train_old="y = 1\n")
    assert [module.script.name for module in here.entries] == ["train_gpt.py", "train_core.py"]
    assert not here.reaches("train_old.py", 1)


def test_a_script_that_a_command_names_is_an_entry() -> None:
    here = program("x = 1\n", train_core="x = 1\n", readme=fenced("torchrun --nproc_per_node=8 train_core.py"))
    assert [module.script.name for module in here.entries] == ["train_gpt.py", "train_core.py"]


def test_scripts_that_do_not_parse_are_left_out() -> None:
    here = program("def broken(:\n")
    assert list(here.entries) == []
    assert not here.reaches("train_gpt.py", 1)


def test_a_launcher_starts_a_run_whatever_its_script_is_called(tmp_path: Path) -> None:
    case_of(tmp_path, script="print(1)\n", go_py=SCRIPT, run_sh="torchrun --standalone go.py\npython prepare.py\n")
    case = case_of(tmp_path, prepare_py="import os\n")
    here = Program(case, effective(case))
    assert {module.script.name for module in here.entries} == {"train_gpt.py", "go.py"}
