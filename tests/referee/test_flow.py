"""What a script does with its data, in the order it does it."""

import string
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_case import toy_case

from golf.referee.flow import TRAIN, VAL, Forward, Trace, Update, follow
from golf.referee.program import program_of

HEAD = """\
import torch, torch.nn as nn, torch.nn.functional as F

class Net(nn.Module):
    pass

net = Net()
opt = torch.optim.SGD(net.parameters())
"""


def trace(script: str, head: str = HEAD, **more: str) -> Trace:
    (only,) = follow(program_of(toy_case(head + script, **more)))
    return only


def texts(event: Forward | Update) -> set[str]:
    return {tag.key for tag in event.data if tag.kind == "data"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('torch.load("shards/fineweb_val_000000.bin")', {"val"}),
        ('torch.load("shards/fineweb_train_000000.bin")', {"train"}),
        ('read(os.path.join(root, "val", "tokens.bin"))', {"val"}),
        ('read(root + "/val/tokens.bin")', {"val"}),
        ("read(args.val_files)", {"val"}),
        ('read(f"{root}/fineweb_{split}_*.bin")', set()),
        ('read(f"{root}/fineweb_val_{shard}.bin")', {"val"}),
        ('[read(p) for p in Path(root).glob("fineweb_val_*")][0]', {"val"}),
        ('torch.cat([read("fineweb_val_0.bin"), read("fineweb_train_0.bin")])', {"val", "train"}),
        ("torch.randint(0, 9, (64,))", set()),
        ('len(read("fineweb_val_0.bin"))', set()),
    ],
)
def test_paths_and_names_tell_which_text_is_read(source: str, expected: set[str]) -> None:
    found = trace(f"text = {source}\nloss = net(text)\n")
    assert [texts(forward) for forward in found.forwards] == ([expected] if expected else [])


def test_a_name_tells_where_a_path_does_not() -> None:
    assert texts(trace("val_tokens = read(sorted(os.listdir(root))[-1])\nnet(val_tokens)\n").forwards[0]) == {"val"}


def test_an_update_belongs_to_the_text_of_its_loss() -> None:
    (update,) = trace('x = read("fineweb_val_0.bin")\nloss = net(x) * 0.5\nloss.backward()\nopt.step()\n').updates
    assert VAL in update.data
    assert TRAIN not in update.data
    assert (update.line, update.function) == (10, "")
    assert update.evidence.quote == "loss.backward()"


def test_a_gradient_thrown_away_updates_nothing() -> None:
    assert trace('net(read("fineweb_val_0.bin")).backward()\nopt.zero_grad()\nopt.step()\n').updates == []


def test_what_comes_after_an_update_is_computed_with_adapted_weights() -> None:
    found = trace(
        'x = read("fineweb_val_0.bin")\nbefore = net(x)\nbefore.backward()\nopt.step()\nafter = net(x)\n'
        "val_bpb = before\nother_bpb = after\n"
    )
    assert [sorted(forward.adapted) for forward in found.forwards] == [[], [0]]
    assert sorted(found.reported) == [0, 1]


def test_a_loop_is_known_by_what_it_selects() -> None:
    found = trace(
        'x = read("fineweb_val_0.bin")\nfor epoch in range(3):\n    for at in range(0, len(x), 8):\n'
        "        net(x[at : at + 8])\n"
    )
    (forward,) = found.forwards
    outer, inner = forward.loops
    selected = {tag.key for tag in forward.data if tag.kind == "loop"}
    assert (outer in selected, inner in selected) == (False, True)
    assert (found.loops[outer].rounds, found.loops[inner].rounds) == (3, None)


def test_a_loop_that_goes_no_round_is_not_walked() -> None:
    assert trace('for _ in range(0):\n    net(read("fineweb_val_0.bin"))\n').forwards == []


def test_the_word_before_a_printed_score_is_its_label() -> None:
    found = trace('v = net(read("fineweb_val_0.bin"))\nprint(f"final_round val_loss:{v} val_bpb:{v / 2}")\n')
    assert [report.label for report in found.reported[0]] == ["final_round"]


def test_a_loss_that_no_score_uses_is_not_reported() -> None:
    found = trace('v = net(read("fineweb_val_0.bin"))\nprint(f"epoch loss {v}")\nval_bpb = 1.1\n')
    assert found.reported == {}


def test_a_helper_in_another_script_is_walked() -> None:
    found = trace(
        "from helper import measure\nmeasure(net, read('fineweb_val_0.bin'))\n",
        helper="def measure(net, text):\n    return net(text)\n",
    )
    (forward,) = found.forwards
    assert (forward.module.script.name, forward.line, forward.function) == ("helper.py", 2, "measure")


def test_a_logarithm_is_no_print() -> None:
    found = trace('p = net(read("fineweb_val_0.bin"))\nval_bpb = -math.log(p)\n')
    assert list(found.reported) == [0]


@pytest.mark.parametrize(
    "script",
    [
        "x = a" + ".b()" * 400,
        "\n".join(f"def f{n}(): f{n + 1}(); f{n + 1}()" for n in range(80)) + "\nf0()\n",
        "for a in b:\n    net(val_tokens[a:])\n" * 1500,
        "x = [" + "0," * 50_000 + "]\n",
        "".join(f"{' ' * n}if x{n}:\n" for n in range(90)) + " " * 90 + "pass\n",
        "x = " + "lambda: " * 80 + "0\n",
        "class A:\n    def m(self): return A().m()\nA().m()\n",
    ],
)
def test_every_walk_comes_to_an_end(script: str) -> None:
    assert trace(script).updates == []


STATEMENTS = st.sampled_from(
    [
        "x = val_tokens[a:b]", "y = net(x)", "y.backward()", "opt.step()", "opt.zero_grad()", "val_bpb = y", "del x",
        "print(f'{y} bpb')", "import f", "C().y = x", "x += y", "z = [a for a in x if a]", "y = x if a else z", "x()",
        "z = {a: b for a, b in z}", "x, y = f(x, *y)", "x = lambda: x()", "net.load_state_dict(x)", "x[a] = y",
        "f(y=x)", "x.append(y)", "y = copy.deepcopy(net)", "net.part = y", "x.add_(y)",
        "y = torch.zeros(1, requires_grad=True)",
    ]
)  # fmt: skip
BLOCKS = st.sampled_from(
    [
        "for a in x:", "while y:", "if a == 0:", "try:\n    pass\nfinally:", "with x as y:", "match x:\n  case 1:",
        "def f(x, *y, z=1, **k):", "class C:", "if a:\n    x = y\nelse:",
    ]
)  # fmt: skip


def scripts() -> st.SearchStrategy[str]:
    """Scripts that parse: statements, and blocks of them."""

    def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        body = st.lists(inner, min_size=1, max_size=4).map("\n".join)
        return st.tuples(BLOCKS, body).map(lambda pair: f"{pair[0]}\n{textwrap.indent(pair[1], ' ' * 4)}")

    return st.lists(st.recursive(STATEMENTS, nested, max_leaves=12), max_size=8).map("\n".join)


@given(scripts() | st.text(string.printable, max_size=200))
def test_any_script_is_walked_without_an_error(script: str) -> None:
    for found in follow(program_of(toy_case(HEAD + script))):
        assert len(found.reported) <= len(found.forwards)
        for forward in found.forwards:
            assert forward.adapted <= set(range(len(found.updates)))
