"""Learning from validation text: toy scripts of our own, legal and not."""

import textwrap

import pytest
from toy_case import fenced, toy_case

from golf.referee.checks.adaptation import findings
from golf.rulings import Finding

HEAD = """\
import copy, glob, math, os
from functools import partial
from pathlib import Path
import torch
import torch.nn as nn
import torch.nn.functional as F

class Config:
    root = os.environ.get("ROOT", "./shards")
    train_files = os.path.join(root, "fineweb_train_*.bin")
    val_files = os.path.join(root, "fineweb_val_*.bin")
    adapt_enabled = bool(int(os.environ.get("ADAPT_ENABLED", "1")))
    epochs = int(os.environ.get("ADAPT_EPOCHS", 3))
    max_wallclock_seconds = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 600.0))

class Net(nn.Module):
    def forward(self, x, y):
        return F.cross_entropy(self.head(x), y)

class Adapter(nn.Module):
    def reset(self):
        nn.init.zeros_(self.down)

class Loader:
    def __init__(self, pattern):
        self.files = sorted(glob.glob(pattern))

    def next_batch(self, n):
        span = read(self.files[0])[:n]
        return span[:-1], span[1:]

def read(file):
    return torch.from_file(file)

def read_all(pattern):
    return torch.cat([read(Path(p)) for p in sorted(glob.glob(pattern))])

def train(model, args):
    loader = Loader(args.train_files)
    opt = torch.optim.AdamW(model.parameters())
    while True:
        x, y = loader.next_batch(1024)
        opt.zero_grad()
        model(x, y).backward()
        opt.step()

def score(model, tokens, seq_len=64):
    total = torch.zeros(())
    count = 0
    with torch.no_grad():
        for start in range(0, tokens.numel() - 1, seq_len):
            piece = tokens[start : start + seq_len + 1]
            total += model(piece[:-1], piece[1:]) * seq_len
            count += seq_len
    val_loss = total / count
    return val_loss, val_loss / math.log(2.0) * 0.4

def quantize(model):
    torch.save(model.state_dict(), "model.bin")
"""

ADAPT = """
def fit(model, tokens, epochs):
    opt = torch.optim.SGD(model.parameters(), lr=0.001)
    for epoch in range(epochs):
        for start in range(0, tokens.numel() - 1, 64):
            piece = tokens[start : start + 65]
            opt.zero_grad()
            loss = model(piece[:-1], piece[1:])
            loss.backward()
            opt.step()
"""

SCORE_FIRST = """
def score_first(model, tokens, epochs):
    opt = torch.optim.SGD(model.parameters(), lr=0.001)
    total = torch.zeros(())
    chunks = (tokens.numel() - 1) // 256
    for ci in range(chunks):
        begin, end = ci * 256, (ci + 1) * 256
        with torch.no_grad():
            for ws in range(begin, end, 64):
                window = tokens[ws : ws + 65]
                total += model(window[:-1], window[1:])
        is_last_chunk = ci == chunks - 1
        if not is_last_chunk and epochs > 0:
            for _ in range(epochs):
                piece = tokens[begin : end + 1]
                opt.zero_grad()
                model(piece[:-1], piece[1:]).backward()
                opt.step()
    return total / math.log(2.0)
"""


def main(*lines: str, before: str = "", after: str = "") -> str:
    body = textwrap.indent("\n".join(lines), "    ")
    start = (
        "    args = Config()\n    model = Net()\n    val_tokens = read_all(args.val_files)\n    train(model, args)\n"
    )
    return f'{HEAD}{before}\ndef main():\n{start}{body}\n{after}\nif __name__ == "__main__":\n    main()\n'


def found(script: str, **words) -> list[Finding]:
    return findings(toy_case(script, **words))


def codes(script: str, **words) -> list[tuple[str, str]]:
    return [(one.code, one.severity) for one in found(script, **words)]


REPORT = ('print(f"final val_bpb:{bpb:.4f}")',)


# --- adapted before scoring


def test_training_on_validation_text_before_scoring_it_blocks_with_both_lines() -> None:
    script = main("fit(model, val_tokens, 1)", "loss, bpb = score(model, val_tokens)", *REPORT, before=ADAPT)
    (one,) = found(script)
    assert (one.code, one.severity) == ("TTT_TRAIN_THEN_SCORE", "block")
    assert [evidence.quote for evidence in one.evidence] == [
        "loss.backward()",
        "total += model(piece[:-1], piece[1:]) * seq_len",
    ]


def test_packing_the_weights_in_between_makes_it_pre_quantisation() -> None:
    script = main(
        "fit(model, val_tokens, 1)",
        "quantize(model)",
        "final = Net()",
        'final.load_state_dict(torch.load("model.bin"))',
        "loss, bpb = score(final, val_tokens)",
        *REPORT,
        before=ADAPT,
    )
    assert codes(script) == [("TTT_PREQUANT_VAL", "block")]


def test_training_on_nothing_but_validation_text_is_validation_in_training() -> None:
    script = main("loss, bpb = score(model, val_tokens)", *REPORT).replace(
        "Loader(args.train_files)", "Loader(args.val_files)"
    )
    assert codes(script) == [("VAL_IN_TRAINING", "block")]


@pytest.mark.parametrize(
    "call",
    [
        "text = val_tokens\nfit(model, text, 1)",
        "fit(tokens=val_tokens, model=model, epochs=1)",
        "adapt = partial(fit, model)\nadapt(val_tokens, 1)",
        "job = {'fit': fit}\njob['fit'](model, val_tokens, 1)",
        "for work in (fit,):\n    work(model, val_tokens, 1)",
        "fit(model, read_all(str(Path(args.root) / 'fineweb_val_000000.bin')), 1)",
        "fit(model, read_all(f'{args.root}/fineweb_val_*.bin'), 1)",
        "compiled = torch.compile(model)\nfit(compiled, val_tokens, 1)",
        "run = lambda epochs: fit(model, val_tokens, epochs)\nrun(1)",
        "fit(model, torch.cat([val_tokens[:500], val_tokens[500:]]), 1)",
    ],
)
def test_aliases_helpers_and_paths_in_pieces_hide_nothing(call: str) -> None:
    script = main(call, "loss, bpb = score(model, val_tokens)", *REPORT, before=ADAPT)
    assert codes(script) == [("TTT_TRAIN_THEN_SCORE", "block")]


def test_a_step_written_by_hand_is_a_step() -> None:
    by_hand = ADAPT.replace("opt.step()", "for p in model.parameters():\n                p.data -= 0.1 * p.grad")
    script = main("fit(model, val_tokens, 1)", "loss, bpb = score(model, val_tokens)", *REPORT, before=by_hand)
    assert codes(script) == [("TTT_TRAIN_THEN_SCORE", "block")]


def test_a_closure_given_to_the_optimiser_is_a_step() -> None:
    closure = """
def fit(model, tokens, epochs):
    opt = torch.optim.LBFGS(model.parameters())
    def closure():
        opt.zero_grad()
        loss = model(tokens[:-1], tokens[1:])
        loss.backward()
        return loss
    opt.step(closure)
"""
    script = main("fit(model, val_tokens, 1)", "loss, bpb = score(model, val_tokens)", *REPORT, before=closure)
    assert codes(script) == [("TTT_TRAIN_THEN_SCORE", "block")]


def test_an_adapter_hooked_into_the_model_carries_what_it_learnt() -> None:
    hooked = """
def hook_of(adapter):
    def hook(module, given, output):
        return output + adapter(given[0])
    return hook

def fit(model, tokens, epochs):
    adapter = Adapter()
    model.body.register_forward_hook(hook_of(adapter))
    opt = torch.optim.Adam(adapter.parameters())
    for start in range(0, tokens.numel() - 1, 64):
        piece = tokens[start : start + 65]
        opt.zero_grad()
        model(piece[:-1], piece[1:]).backward()
        opt.step()
"""
    script = main("fit(model, val_tokens, 1)", "loss, bpb = score(model, val_tokens)", *REPORT, before=hooked)
    assert codes(script) == [("TTT_TRAIN_THEN_SCORE", "block")]


def test_a_chunk_scored_after_it_was_learnt_blocks() -> None:
    turned = """
def score_last(model, tokens):
    opt = torch.optim.SGD(model.parameters(), lr=0.001)
    total = torch.zeros(())
    for start in range(0, tokens.numel() - 1, 64):
        piece = tokens[start : start + 65]
        x, y = piece[:-1], piece[1:]
        opt.zero_grad()
        model(x, y).backward()
        opt.step()
        with torch.no_grad():
            total += model(x, y)
    return total / math.log(2.0)
"""
    script = main("bpb = score_last(model, val_tokens)", *REPORT, before=turned)
    assert codes(script) == [("TTT_TRAIN_THEN_SCORE", "block")]


ROUND = """
def round_by_round(model, tokens):
    opt = torch.optim.SGD(model.parameters(), lr=0.001)
    total = torch.zeros(())
    for pos in range(0, tokens.numel() - 1, 64):
        LEARN
        opt.zero_grad()
        model(piece[:-1], piece[1:]).backward()
        opt.step()
        with torch.no_grad():
            for at in range(pos, pos + 64, 16):
                window = tokens[at : at + 17]
                total += model(window[:-1], window[1:])
    return total / math.log(2.0)
"""


@pytest.mark.parametrize(
    ("learn", "expected"),
    [
        ("stop = pos + 64\n        piece = tokens[pos:stop]", [("TTT_TRAIN_THEN_SCORE", "flag")]),
        ("history_end = pos\n        piece = tokens[max(0, pos - 512) : history_end]", []),
    ],
)
def test_learning_and_scoring_other_slices_in_one_round_asks_for_a_person(
    learn: str, expected: list[tuple[str, str]]
) -> None:
    script = main("bpb = round_by_round(model, val_tokens)", *REPORT, before=ROUND.replace("LEARN", learn))
    assert codes(script) == expected


# --- what does not count


def test_code_that_is_never_called_does_not_count() -> None:
    assert codes(main("loss, bpb = score(model, val_tokens)", *REPORT, before=ADAPT)) == []


SWITCHED = (
    "if args.adapt_enabled:",
    "    fit(model, val_tokens, args.epochs)",
    "loss, bpb = score(model, val_tokens)",
    *REPORT,
)


def test_what_is_switched_off_does_not_count() -> None:
    off = fenced("ADAPT_ENABLED=0 torchrun train_gpt.py")
    assert codes(main(*SWITCHED, before=ADAPT), readme=off) == []
    assert codes(main(*SWITCHED, before=ADAPT)) == [("TTT_TRAIN_THEN_SCORE", "block")]


def test_a_switch_that_is_disputed_asks_for_a_person() -> None:
    both = fenced("ADAPT_ENABLED=0 torchrun train_gpt.py", "ADAPT_ENABLED=1 torchrun train_gpt.py")
    assert codes(main(*SWITCHED, before=ADAPT), readme=both) == [("TTT_TRAIN_THEN_SCORE", "flag")]


def test_the_log_says_whether_it_was_on() -> None:
    off = fenced("ADAPT_ENABLED=0 torchrun train_gpt.py")
    script = main(*SWITCHED, before=ADAPT)
    assert codes(script, readme=off, logs=({"adapt_enabled": "True"},)) == [("TTT_TRAIN_THEN_SCORE", "block")]


def test_a_guard_on_a_local_name_for_the_setting_is_decided() -> None:
    lines = ("wanted = args.adapt_enabled and args.epochs > 0", "if wanted:", *SWITCHED[1:])
    assert codes(main(*lines, before=ADAPT), readme=fenced("ADAPT_ENABLED=0 torchrun train_gpt.py")) == []


def test_what_one_branch_learnt_does_not_count_in_the_other() -> None:
    either = (
        "if unknown():",
        "    fit(model, val_tokens, 1)",
        "else:",
        "    loss, bpb = score(model, val_tokens)",
        *(f"    {line}" for line in REPORT),
    )
    assert codes(main(*either, before=ADAPT)) == UNUSED
    assert codes(main(*either, *SWITCHED[2:], before=ADAPT)) == [("TTT_TRAIN_THEN_SCORE", "block")]


def test_shards_kept_by_their_path_stay_apart() -> None:
    kept = main("loss, bpb = score(model, val_tokens)", *REPORT).replace(
        "def read(file):\n", "KEPT = {}\n\ndef read(file):\n    if file in KEPT:\n        return KEPT[file]\n"
    )
    kept = kept.replace(
        "    return torch.from_file(file)", "    KEPT[file] = torch.from_file(file)\n    return KEPT[file]"
    )
    assert "KEPT[file] = " in kept
    assert codes(kept) == []


def test_a_list_is_not_taken_for_empty_because_it_began_so() -> None:
    guarded = (
        "parts = []",
        "for start in range(0, 512, 64):",
        "    parts.append(val_tokens[start : start + 65])",
        "if len(parts) < 2:",
        "    return",
        "fit(model, torch.cat(parts), 1)",
        "loss, bpb = score(model, val_tokens)",
        *REPORT,
    )
    assert codes(main(*guarded, before=ADAPT)) == [("TTT_TRAIN_THEN_SCORE", "block")]


def test_a_function_that_a_launcher_starts_is_walked() -> None:
    script = main(*SWITCHED, before=ADAPT).replace('if __name__ == "__main__":\n    main()', "")
    script = script.replace("def main():", '@app.function(gpu="H100:8")\ndef train_all():')
    assert "    main()" not in script
    assert codes(script) == [("TTT_TRAIN_THEN_SCORE", "block")]


UNUSED = [("TTT_WARMUP_ON_VAL", "note")]


def test_weights_put_back_before_scoring_are_worth_a_note() -> None:
    restored = main(
        "kept = {k: v.clone() for k, v in model.state_dict().items()}",
        "fit(model, val_tokens, 1)",
        "model.load_state_dict(kept)",
        "loss, bpb = score(model, val_tokens)",
        *REPORT,
        before=ADAPT,
    )
    assert codes(restored) == UNUSED
    assert codes(restored.replace("model.load_state_dict(kept)\n", "pass\n")) == [("TTT_TRAIN_THEN_SCORE", "block")]


def test_a_copy_that_is_adapted_leaves_the_original_clean() -> None:
    script = main(
        "other = copy.deepcopy(model)",
        "fit(other, val_tokens, 1)",
        "loss, bpb = score(model, val_tokens)",
        *REPORT,
        before=ADAPT,
    )
    assert codes(script) == UNUSED


def test_a_probe_trained_beside_the_model_is_no_adaptation() -> None:
    probe = """
def diagnose(model, tokens):
    probe = nn.Linear(512, 1024)
    opt = torch.optim.Adam(probe.parameters())
    hidden = model.encode(tokens[:-1]).detach()
    opt.zero_grad()
    F.cross_entropy(probe(hidden), tokens[1:]).backward()
    opt.step()
"""
    assert (
        codes(main("diagnose(model, val_tokens)", "loss, bpb = score(model, val_tokens)", *REPORT, before=probe))
        == UNUSED
    )


# --- score first


def test_scoring_first_then_training_chunk_by_chunk_is_legal() -> None:
    assert codes(main("bpb = score_first(model, val_tokens, args.epochs)", *REPORT, before=SCORE_FIRST)) == []


def test_windows_assigned_to_chunks_by_comparison_are_legal_too() -> None:
    assigned = SCORE_FIRST.replace(
        "            for ws in range(begin, end, 64):\n",
        "            mine = []\n            for at in range(0, tokens.numel() - 1, 64):\n"
        "                if begin <= at < end:\n                    mine.append(at)\n            for ws in mine:\n",
    )
    assert "mine.append" in assigned
    assert codes(main("bpb = score_first(model, val_tokens, args.epochs)", *REPORT, before=assigned)) == []


ADAPTER_PER_DOCUMENT = """
def bank(losses, total):
    total += losses.sum()

def score_documents(model, tokens, epochs):
    total = torch.zeros(())
    adapter = Adapter()
    opt = torch.optim.Adam(adapter.parameters())
    docs = find_documents(tokens)
    for begin, length in docs:
        adapter.reset()
        for epoch in range(epochs):
            for ci in range(length // 64):
                piece = tokens[begin + ci * 64 : begin + ci * 64 + 65]
                losses = model(piece[:-1], piece[1:], adapter=adapter)
                if BANKED:
                    with torch.no_grad():
                        bank(losses, total)
                opt.zero_grad()
                losses.mean().backward()
                opt.step()
    return total / math.log(2.0)
"""


@pytest.mark.parametrize(
    ("banked", "expected"),
    [
        ("epoch == 0", []),
        ("not epoch", []),
        ("epoch == epochs - 1", [("TTT_MULTI_EPOCH_RESCORE", "block")]),
        ("True", [("TTT_MULTI_EPOCH_RESCORE", "block")]),
    ],
)
def test_of_several_epochs_only_the_first_is_a_score(banked: str, expected: list[tuple[str, str]]) -> None:
    before = ADAPTER_PER_DOCUMENT.replace("BANKED", banked)
    assert codes(main("bpb = score_documents(model, val_tokens, args.epochs)", *REPORT, before=before)) == expected


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        (("ADAPT_EPOCHS=1 torchrun train_gpt.py",), []),
        (("ADAPT_EPOCHS=2 torchrun train_gpt.py",), [("TTT_MULTI_EPOCH_RESCORE", "block")]),
        (
            ("ADAPT_EPOCHS=2 torchrun train_gpt.py", "ADAPT_EPOCHS=1 torchrun train_gpt.py"),
            [("TTT_MULTI_EPOCH_RESCORE", "flag")],
        ),
        (("ADAPT_EPOCHS=0 torchrun train_gpt.py",), []),
    ],
)
def test_how_many_epochs_is_a_setting(commands: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    before = ADAPTER_PER_DOCUMENT.replace("BANKED", "True")
    script = main("bpb = score_documents(model, val_tokens, args.epochs)", *REPORT, before=before)
    assert codes(script, readme=fenced(*commands)) == expected


def test_an_adapter_per_document_with_one_epoch_is_legal() -> None:
    before = ADAPTER_PER_DOCUMENT.replace("BANKED", "True").replace(
        "        for epoch in range(epochs):\n            for ci", "        if True:\n            for ci"
    )
    assert codes(main("bpb = score_documents(model, val_tokens, args.epochs)", *REPORT, before=before)) == []


def test_training_on_the_scored_prefix_between_documents_is_legal() -> None:
    phased = """
def phased(model, tokens):
    total = torch.zeros(())
    opt = torch.optim.SGD(model.parameters(), lr=0.001)
    scored = []
    queue = list(find_documents(tokens))
    while queue:
        begin, end = queue.pop(0)
        piece = tokens[begin:end]
        with torch.no_grad():
            total += model(piece[:-1], piece[1:])
        scored.append(piece)
        if len(scored) == 100:
            past = torch.cat(scored)
            opt.zero_grad()
            model(past[:-1], past[1:]).backward()
            opt.step()
    return total / math.log(2.0)
"""
    assert codes(main("bpb = phased(model, val_tokens)", *REPORT, before=phased)) == []


def test_learning_a_prefix_and_scoring_the_rest_is_legal() -> None:
    script = main(
        "split = 1000",
        "loss, head_bpb = score(model, val_tokens[:split])",
        "fit(model, val_tokens[:split], 1)",
        "loss, tail_bpb = score(model, val_tokens[split:])",
        before=ADAPT,
    )
    assert codes(script) == []


# --- second passes

TWICE = (
    "first_bpb = score_first(model, val_tokens, args.epochs)",
    'print(f"score_first val_bpb:{first_bpb:.4f}")',
    "loss, second_bpb = score(model, val_tokens)",
    'print(f"score_again val_bpb:{second_bpb:.4f}")',
)


@pytest.mark.parametrize(
    ("headline", "expected"),
    [
        ("score_again", [("TWO_PASS_RESCORE", "block")]),
        ("score_first", []),
        (None, [("TWO_PASS_RESCORE", "flag")]),
    ],
)
def test_a_second_pass_counts_when_its_score_is_the_submitted_one(
    headline: str | None, expected: list[tuple[str, str]]
) -> None:
    case = toy_case(main(*TWICE, before=SCORE_FIRST), logs=({},))
    case.logs = [log.model_copy(update={"final_label": headline}) for log in case.logs]
    assert [(one.code, one.severity) for one in findings(case)] == expected


def test_a_second_pass_with_fresh_weights_is_clean() -> None:
    lines = (*TWICE[:2], "model = Net()", *TWICE[2:])
    assert codes(main(*lines, before=SCORE_FIRST)) == []


# --- SLOT

SLOT = """
def slot(model, tokens, stride=16):
    total = torch.zeros(())
    for ws in range(0, tokens.numel() - 1, stride):
        window = tokens[ws : ws + 65]
        x, y = window[:-1], window[1:]
        with torch.no_grad():
            hidden = model.encode(x)
        s = 64 - stride
        delta = torch.zeros(1, 512, requires_grad=True)
        opt = torch.optim.AdamW([delta])
        for _ in range(8):
            losses = F.cross_entropy(model.head(hidden + delta), y, reduction="none")
            opt.zero_grad()
            LEARNT.mean().backward()
            opt.step()
        with torch.no_grad():
            final = F.cross_entropy(model.head(hidden + delta), y, reduction="none")
        total += final[s:].sum()
    return total / math.log(2.0)
"""


@pytest.mark.parametrize(
    ("learnt", "expected"),
    [
        ("losses", [("SLOT_NONCAUSAL", "flag")]),
        ("losses[s:]", [("SLOT_NONCAUSAL", "flag")]),
        ("losses[:s]", [("SLOT_NONCAUSAL", "note")]),
        ("losses[: s - 1]", [("SLOT_NONCAUSAL", "note")]),
    ],
)
def test_slot_is_flagged_where_it_learns_from_what_it_scores(learnt: str, expected: list[tuple[str, str]]) -> None:
    script = main("bpb = slot(model, val_tokens)", *REPORT, before=SLOT.replace("LEARNT", learnt))
    assert codes(script) == expected


def test_slot_masks_are_read() -> None:
    masked = SLOT.replace(
        "        for _ in range(8):",
        "        mask = torch.zeros(64)\n        mask[PART] = 1.0\n        for _ in range(8):",
    )
    masked = masked.replace("LEARNT.mean()", "(losses * mask).sum()")
    lines = ("bpb = slot(model, val_tokens)", *REPORT)
    assert codes(main(*lines, before=masked.replace("PART", "s:"))) == [("SLOT_NONCAUSAL", "flag")]
    assert codes(main(*lines, before=masked.replace("PART", ":s"))) == [("SLOT_NONCAUSAL", "note")]


@pytest.mark.parametrize(("shape", "severity"), [("1, 1, 512", "flag"), ("len(batch), 1, 512", "note")])
def test_one_tensor_for_a_batch_of_windows_leaks_between_them(shape: str, severity: str) -> None:
    batched = f"""
def slot(model, tokens, stride=16):
    total = torch.zeros(())
    starts = list(range(0, tokens.numel() - 1, stride))
    for bi in range(0, len(starts), 8):
        batch = starts[bi : bi + 8]
        x, y = torch.zeros(8, 64), torch.zeros(8, 64)
        for i, ws in enumerate(batch):
            window = tokens[ws : ws + 65]
            x[i] = window[:-1]
            y[i] = window[1:]
        s = 64 - stride
        hidden = model.encode(x)
        delta = torch.zeros({shape}, requires_grad=True)
        opt = torch.optim.AdamW([delta])
        for _ in range(8):
            opt.zero_grad()
            losses = F.cross_entropy(model.head(hidden + delta), y, reduction="none")
            losses[:, :s].mean().backward()
            opt.step()
        final = F.cross_entropy(model.head(hidden + delta), y, reduction="none")
        total += final[:, s:].sum()
    return total / math.log(2.0)
"""
    assert codes(main("bpb = slot(model, val_tokens)", *REPORT, before=batched)) == [("SLOT_NONCAUSAL", severity)]


# --- robustness


@pytest.mark.parametrize(
    "script",
    [
        "",
        "def f(): return f()\nf()\n",
        "x = " + "(" * 90 + "1" + ")" * 90,
        "\n".join(f"def f{n}(x): return f{n + 1}(f{n + 1}(x))" for n in range(60)) + "\ndef f60(x): return x\nf0(1)\n",
        "while True:\n    x = x\n",
        "a = lambda: a()\na()\n",
        "class A(A): pass\nA().b.c()\n",
        "import train_gpt\nfrom train_gpt import *\n",
        "x = y = z = (x, y, z)\n" * 200,
    ],
)
def test_odd_scripts_are_walked_to_an_end_or_said_not_to_be(script: str) -> None:
    assert codes(script) in ([], [("UNREADABLE", "flag")])


def test_a_script_that_is_not_followed_to_its_end_asks_for_a_person() -> None:
    padded = main(*(f"x{n} = val_tokens[a{n}:]" for n in range(1000)), "loss, bpb = score(model, val_tokens)", *REPORT)
    assert codes(padded) == [("UNREADABLE", "flag")]


def test_without_code_there_is_nothing_to_say() -> None:
    assert codes("") == []
