"""What a run reaches beyond its artifact."""

from toy_case import fenced, toy_case

from golf.referee.checks.access import findings
from golf.referee.texts import Script


def codes(script: str, readme: str = "", **more: str) -> list[tuple[str, str]]:
    case = toy_case(script, readme=readme)
    case.scripts = [*case.scripts, *(Script(f"{stem}.py", text) for stem, text in more.items())]
    return [(one.code, one.severity) for one in findings(case)]


AT_EVALUATION = """
import os, urllib.request
LOOK_UP = int(os.environ.get("LOOK_UP", "1"))

def eval_split(model):
    if LOOK_UP:
        hints = urllib.request.urlopen("there").read()
    return model(hints)

def main():
    print(eval_split(len))

main()
"""


def test_a_call_to_the_network_inside_the_evaluation_blocks() -> None:
    assert codes(AT_EVALUATION) == [("NETWORK", "block")]


def test_one_that_the_command_switches_off_is_none() -> None:
    assert codes(AT_EVALUATION, fenced("LOOK_UP=0 torchrun train_gpt.py")) == []


def test_one_behind_an_open_condition_asks_for_a_person() -> None:
    assert codes(AT_EVALUATION.replace("if LOOK_UP", "if model.wants")) == [("NETWORK", "flag")]
    is_called = AT_EVALUATION.replace("    print(eval", "    if os.getpid() % 2: print(eval")
    assert codes(is_called) == [("NETWORK", "flag")]


def test_a_download_before_training_asks_for_a_person() -> None:
    script = "from huggingface_hub import snapshot_download\nsnapshot_download(repo_id='x')\n"
    assert codes(script) == [("NETWORK", "flag")]
    assert codes("import os\nos.system('cd data; wget there')\n") == [("NETWORK", "flag")]


def test_a_download_that_nobody_calls_is_none() -> None:
    script = "import requests\ndef fetch():\n    return requests.get('x')\nprint(1)\n"
    assert codes(script) == []
    assert codes("print(1)\n", prepare_data=script + "fetch()\n") == []
    assert codes("import fetching\n", fetching=script + "fetch()\n") == [("NETWORK", "flag")]


def test_a_message_that_names_a_command_is_no_call() -> None:
    assert codes("print('pip install brotli, or wget it')\n") == []


def test_an_install_at_start_up_is_worth_a_note() -> None:
    script = "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'brotli'])\n"
    assert codes(script) == [("NETWORK", "note")]
    assert codes("from kernels import get_kernel\nattend = get_kernel('x')\n") == [("NETWORK", "note")]


READS_TRAINING = """
import glob, os
class Config:
    train_files = "shards/fineweb_train_*.bin"
args = Config()

def eval_with_counts(model):
    counts = Counts()
    BODY
    return model(counts)

print(eval_with_counts(len))
"""


def test_training_shards_read_inside_the_evaluation_block() -> None:
    assert codes(READS_TRAINING.replace("BODY", "counts.learn(args.train_files)")) == [("TRAIN_DATA_AT_EVAL", "block")]


def test_counting_training_shards_reads_none() -> None:
    assert codes(READS_TRAINING.replace("BODY", "print(len(glob.glob(args.train_files)))")) == []


HANDED_ON = """
import glob
def main(args, table, loader):
    for shard in sorted(glob.glob(args.train_files)):
        USED.update(read(shard))
    known = table
    print(eval_split(args.val_files, start=known))

main(1, 2, 3)
"""


def test_a_table_filled_from_training_shards_and_handed_to_an_evaluation_asks_for_a_person() -> None:
    assert codes(HANDED_ON.replace("USED", "table")) == [("TRAIN_DATA_AT_EVAL", "flag")]


def test_filling_what_no_evaluation_is_given_is_training() -> None:
    assert codes(HANDED_ON.replace("USED", "other_table")) == []
    assert codes(HANDED_ON.replace("USED", "loader")) == []


CARRIES = """
import lzma, os
from pathlib import Path
prefix_blob = os.environ.get("PREFIX_BLOB", "")

def load_prefix_blob():
    if not prefix_blob:
        return None
    return lzma.decompress(Path(prefix_blob).read_bytes())

print(score(load_prefix_blob()))
"""
PACKS = """
import lzma
val_tokens = read("shards/fineweb_val_000000.bin")
kept = val_tokens[:1000]
open("prefix_blob.xz", "wb").write(lzma.compress(kept.tobytes()))
"""
ON = fenced("PREFIX_BLOB=prefix_blob.xz torchrun train_gpt.py")


def test_validation_text_that_is_packed_by_one_script_and_read_by_the_run_blocks() -> None:
    assert codes(CARRIES, ON, build_prefix=PACKS) == [("VAL_IN_ARTIFACT", "block")]


def test_carried_text_of_unseen_origin_asks_for_a_person() -> None:
    assert codes(CARRIES, ON) == [("VAL_IN_ARTIFACT", "flag")]
    assert codes(CARRIES, ON, build_prefix=PACKS.replace("val", "train")) == [("VAL_IN_ARTIFACT", "flag")]


def test_text_that_is_not_carried_in_this_run_is_none() -> None:
    assert codes(CARRIES, build_prefix=PACKS) == []


def test_an_unknown_library_is_worth_a_note() -> None:
    assert codes("import frobnicate\nimport torch, math, beside\n", beside="x = 1\n") == [("CUSTOM_LIB", "note")]
