"""What changes from round to round is no constant: counters, globals, attributes of others."""

import pytest
from toy_case import toy_case

from golf.referee.checks.adaptation import findings
from golf.referee.program import Program
from golf.referee.settings import effective

TRAINER = """\
import math, os
import torch
import torch.nn as nn
import torch.nn.functional as F

class Config:
    train_files = "./shards/fineweb_train_*.bin"
    val_files = "./shards/fineweb_val_*.bin"
    warmup_steps = int(os.environ.get("WARMUP_STEPS", 20))

class Net(nn.Module):
    def forward(self, x, y):
        return F.cross_entropy(self.head(x), y)

def read_all(pattern):
    return torch.from_file(pattern)

def score(model, tokens):
    total = torch.zeros(())
    with torch.no_grad():
        for start in range(0, tokens.numel() - 1, 64):
            piece = tokens[start : start + 65]
            total += model(piece[:-1], piece[1:])
    return total / math.log(2.0)

def main():
    args, model = Config(), Net()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    train_tokens, val_tokens = read_all(args.train_files), read_all(args.val_files)
{before}
    while True:
        if step % 100 == 0:
            val_bpb = score(model, val_tokens)
        at = torch.randint(0, 9, ())
        w = train_tokens[at : at + 65]
{body}
        opt.zero_grad()
        model(w[:-1], w[1:]).backward()
        opt.step()
{after}
    torch.save(model.state_dict(), "model.bin")
    val_bpb = score(model, val_tokens)
    print(f"final val_bpb:{{val_bpb}}")

main()
"""
SWAP = "w = val_tokens[at : at + 65]"


def trainer(*body: str, before: str = "    step = 0", after: str = "        step += 1") -> str:
    return TRAINER.format(body="\n".join(f"        {line}" for line in body), before=before, after=after)


def codes(script: str) -> list[tuple[str, str]]:
    return [(one.code, one.severity) for one in findings(toy_case(script))]


@pytest.mark.parametrize(
    "guard", ["step % 4 == 3", "step > 100", "step >= args.warmup_steps", "step and step % 2", "step % 4 == 0", "rank"]
)
def test_a_guard_on_a_step_counter_hides_no_training_on_validation(guard: str) -> None:
    assert codes(trainer(f"if {guard}:", f"    {SWAP}")) == [("VAL_IN_TRAINING", "block")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("    step = 0", "        step = step + 1"),
        ("    step, done = 0, 0", "        step, done = step + 1, False"),
        ("    step = 0", "        if (step := step + 1) > 500: break"),
        ("    step = 0\n    def tick():\n        nonlocal step\n        step += 1", "        tick()"),
        ("    step = 0\n    warm = step > 100", "        step += 1\n        warm = step > 100"),
    ],
)
def test_however_a_counter_counts_it_is_none_of_its_first_values(before: str, after: str) -> None:
    guard = "warm" if "warm" in before else "step > 100"
    assert codes(trainer(f"if {guard}:", f"    {SWAP}", before=before, after=after)) == [("VAL_IN_TRAINING", "block")]


@pytest.mark.parametrize(
    "body",
    [
        ("if step % 4 == 3:", f"    {SWAP}", "else:", "    w = train_tokens[at : at + 65]"),
        ("w = val_tokens[at : at + 65] if step % 4 == 3 else w",),
    ],
)
def test_a_batch_of_either_text_asks_for_a_person(body: tuple[str, ...]) -> None:
    assert codes(trainer(*body)) == [("VAL_IN_TRAINING", "flag")]


def test_a_batch_that_one_round_fetches_for_the_next_is_followed() -> None:
    fetched = trainer(
        before="    step = 0\n    w = train_tokens[:65]", after=f"        step += 1\n        {SWAP}"
    ).replace("        w = train_tokens[at : at + 65]\n", "")
    assert codes(fetched) == [("VAL_IN_TRAINING", "block")]
    assert codes(fetched.replace(SWAP, "w = train_tokens[at : at + 65]")) == []


def test_what_no_round_changes_stays_a_constant() -> None:
    assert codes(trainer("if polish > 0:", f"    {SWAP}", before="    step = polish = 0")) == []


def test_a_counter_at_the_top_of_a_script_or_behind_global_is_no_setting() -> None:
    script = "seen = 0\ndone = 0\nlimit = 0\nwhile True:\n    seen += 1\ndef tick():\n    global done\n    done += 1\n"
    case = toy_case(script)
    settings = effective(case)
    assert [settings.get(name) is None for name in ("seen", "done", "limit")] == [True, True, False]


def test_an_attribute_set_on_a_layer_is_no_setting_of_the_run() -> None:
    script = (
        "class Net:\n    def __init__(self):\n        self.proj._zero_init = True\n        weight.grad = None\n"
        "        if not getattr(module, '_zero_init', False):\n            spread(module)  # line 6\n"
        "args.look_back = False\nif args.look_back:\n    looks_back()  # line 9\nNet()\n"
    )
    case = toy_case(script)
    program = Program(case, effective(case))
    assert [program.reaches("train_gpt.py", line) for line in (6, 9)] == [True, False]


def test_a_function_s_own_counter_is_none_of_the_settings_of_its_name() -> None:
    script = (
        "class Config:\n    step = 0\ndef main():\n    step = 0\n    while True:\n        if step > 3:\n"
        "            late()  # line 7\n        step += 1\nmain()\n"
    )
    case = toy_case(script)
    assert Program(case, effective(case)).reaches("train_gpt.py", 7)
