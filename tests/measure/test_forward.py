"""Golf's forward of the challenge's baseline: when it may score, and that it gives the script's numbers."""

import math
import os
import re
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from golf.errors import UnreadableInput
from golf.measure import baseline_forward, baseline_identity, forward, pace, shards
from golf.measure.baseline_forward import BaselineForward
from golf.measure.own_forward import token_losses
from golf.measure.script_model import build_model, load_script
from golf.measure.windows import Windows, score

BASELINE = Path(__file__).parents[2] / "baselines" / "naive" / "train_gpt.py"
CHALLENGE = Path(os.environ.get("GOLF_CHALLENGE", "/nowhere")) / "train_gpt.py"
"""A clone of openai/parameter-golf, where there is one."""

SMALL = {"VOCAB_SIZE": "96", "NUM_LAYERS": "3", "MODEL_DIM": "32", "NUM_HEADS": "4", "NUM_KV_HEADS": "2"}
CPU = torch.device("cpu")

ALTERATIONS = {
    "another activation": (".relu().square()", ".relu()"),
    "another sign": ("first * cos + second * sin", "first * cos - second * sin"),
    "another epsilon": ("F.rms_norm(x, (x.size(-1),))", "F.rms_norm(x, (x.size(-1),), eps=1e-3)"),
    "no causality": ("is_causal=True", "is_causal=False"),
    "another scale": ("x = x + self.attn_scale", "x = x + 1.0001 * self.attn_scale"),
    "skips in another order": ("skips.pop()", "skips.pop(0)"),
    "a method more": ("    def logits(self", "    def __call__(self, *a):\n        return 1\n\n    def logits(self"),
    "a method replaced": ("# --- processes", "Block.forward = lambda self, x, x0, cos, sin: x\n# --- processes"),
    "a class bound anew": ("# --- processes", "class MLP(MLP):\n    pass\n\n\n# --- processes"),
    "a function of torch replaced": ("# --- processes", "F.rms_norm = lambda x, shape: x\n# --- processes"),
    "another torch": ("# --- processes", "F = __import__('types').SimpleNamespace(**vars(F))\n# --- processes"),
    "a hook on every module": (
        "# --- processes",
        "HOOK = nn.modules.module.register_module_forward_hook(lambda *a: None)\n# --- processes",
    ),
}  # fmt: skip


def randomised(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Weights as training leaves them rather than as it starts: nothing zero, nothing one."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        is_matrix = parameter.ndim == 2 and parameter.size(0) > 2
        parameter.data = noise / math.sqrt(parameter.size(1)) if is_matrix else parameter.data + 0.3 * noise
    return model.eval()


def made(script: Path, seed: int = 0, dtype: torch.dtype = torch.float64, **env: str):
    """(model, module) of a script under its settings."""
    with mock.patch.dict(os.environ, {**SMALL, **env}), mock.patch("sys.path", [*sys.path]), mock.patch("sys.argv", []):
        module = load_script(script)
        return randomised(build_model(module, module.Hyperparameters()).to(dtype), seed), module


def stream_of(folder: Path, count: int, vocab: int = 96) -> shards.Stream:
    ids = np.random.default_rng(0).integers(0, vocab, count)
    shards.write_shard(folder / "fineweb_val_000000.bin", ids)
    return shards.Stream([folder / "fineweb_val_000000.bin"])


def chosen(model, module, stream, windows: Windows, dtype: str = "float64", workers: int = 2) -> forward.Forward:
    with torch.inference_mode():
        return forward.choose(
            model, module, stream, windows, dtype=dtype, device=CPU, ways=[pace.Way(4)], workers=workers
        )


def scored(losses, stream, windows: Windows, way: pace.Pace) -> float:
    threads = torch.get_num_threads()
    try:
        with torch.inference_mode():
            return score(losses, stream, lambda start, stop: stop - start, windows, pace=way, device=CPU).val_loss
    finally:
        torch.set_num_threads(threads)


@settings(max_examples=25, deadline=None)
@given(
    layers=st.integers(1, 5),
    heads=st.sampled_from([(1, 1), (2, 1), (4, 4), (4, 2), (6, 2)]),
    head_dim=st.sampled_from([2, 8, 16]),
    vocab=st.sampled_from([7, 96, 300]),
    is_tied=st.booleans(),
    mult=st.integers(1, 3),
    cap=st.sampled_from(["30.0", "5.5", "60.0"]),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 40)),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    data=st.data(),
)
def test_golfs_forward_gives_the_scripts_losses(layers, heads, head_dim, vocab, is_tied, mult, cap, shape, dtype, data):
    model, module = made(
        BASELINE,
        seed=data.draw(st.integers(0, 9)),
        dtype=dtype,
        NUM_LAYERS=str(layers),
        NUM_HEADS=str(heads[0]),
        NUM_KV_HEADS=str(heads[1]),
        MODEL_DIM=str(heads[0] * head_dim),
        VOCAB_SIZE=str(vocab),
        TIE_EMBEDDINGS=str(int(is_tied)),
        MLP_MULT=str(mult),
        LOGIT_SOFTCAP=cap,
    )
    first = data.draw(st.integers(0, shape[1] - 1))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 9)))
    inputs, targets = (torch.randint(0, vocab, shape, generator=generator) for _ in range(2))
    rotary = baseline_identity.rotary_of(model, module)
    assert rotary is not None
    vocab_max = data.draw(st.sampled_from([0, 8192]))
    with torch.inference_mode(), mock.patch.object(baseline_forward, "_TABLE_VOCAB_MAX", vocab_max):
        own = token_losses(model, module)(inputs, targets, 0)[:, first:]
        ours = BaselineForward(model, rotary).losses(inputs, targets, first)
    assert ours.shape == own.shape
    tolerance = 1e-11 if dtype == torch.float64 else 2e-4
    torch.testing.assert_close(ours, own, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("is_packed", [True, False])
def test_the_two_layouts_of_matrices_give_the_same_losses(monkeypatch, is_packed):
    if not is_packed:
        monkeypatch.setattr(baseline_forward, "_is_packable", lambda weight: False)
    model, module = made(BASELINE, dtype=torch.float32)
    rotary = baseline_identity.rotary_of(model, module)
    assert rotary is not None
    inputs, targets = (torch.arange(40).view(2, 20) + at for at in (0, 1))
    with torch.inference_mode():
        ours = BaselineForward(model, rotary).losses(inputs, targets)
        torch.testing.assert_close(ours, token_losses(model, module)(inputs, targets, 0), rtol=1e-4, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(seq_len=st.integers(2, 24), workers=st.integers(1, 3), data=st.data())
def test_a_split_scores_alike_by_golfs_forward_and_by_the_scripts(tmp_path_factory, seq_len, workers, data):
    """Plain and sliding windows, with a ragged end, on one thread and on several."""
    stride = data.draw(st.integers(1, seq_len))
    targets = data.draw(st.integers(20 * seq_len, 24 * seq_len))
    stream = stream_of(tmp_path_factory.mktemp("shard"), targets + 1)
    model, module = made(BASELINE)
    windows = Windows(targets, seq_len, stride)
    fast = chosen(model, module, stream, windows, workers=workers)
    assert (fast.name, fast.notes) == ("baseline", [])
    own = scored(token_losses(model, module), stream, windows, pace.Pace([pace.Way(3)]))
    assert scored(fast.losses, stream, windows, fast.pace) == pytest.approx(own, rel=1e-12)


@pytest.mark.parametrize(("old", "new"), ALTERATIONS.values(), ids=ALTERATIONS)
def test_a_model_altered_by_one_line_is_not_taken_for_the_baseline(tmp_path, old, new):
    text = BASELINE.read_text()
    assert old in text
    script = tmp_path / "train_gpt.py"
    script.write_text(text.replace(old, new, 1))
    F, hooks = torch.nn.functional, torch.nn.modules.module._global_forward_hooks
    with mock.patch.object(F, "rms_norm", F.rms_norm):
        try:
            model, module = made(script)
            assert baseline_identity.rotary_of(model, module) is None
        finally:
            hooks.clear()


def test_a_hook_or_a_forward_of_one_instance_is_noticed():
    model, module = made(BASELINE)
    handle = model.get_submodule("blocks.1.mlp").register_forward_hook(lambda *_: None)
    assert baseline_identity.rotary_of(model, module) is None
    handle.remove()
    assert baseline_identity.rotary_of(model, module) is not None
    model.get_submodule("blocks.1.mlp").forward = lambda x: x
    assert baseline_identity.rotary_of(model, module) is None


def test_comments_docstrings_annotations_and_messages_do_not_matter(tmp_path):
    text = BASELINE.read_text()
    plain = re.sub(r'"""[\s\S]*?"""', '"""Others say."""', text.replace(": Tensor", "").replace(" -> Tensor", ""))
    plain = plain.replace("must be positive", "may not be zero").replace("skips: list[Tensor] = []", "skips = []")
    assert plain != text
    assert baseline_identity.digest(plain) == baseline_identity.digest(text)


@pytest.mark.skipif(not CHALLENGE.is_file(), reason="GOLF_CHALLENGE names no clone of openai/parameter-golf")
@pytest.mark.parametrize("stride", [24, 5])
def test_the_challenges_own_script_is_the_baseline_too(tmp_path, stride):
    model, module = made(CHALLENGE)
    stream, windows = stream_of(tmp_path, 500), Windows(470, 24, stride)
    fast = chosen(model, module, stream, windows)
    assert fast.name == "baseline"
    own = scored(token_losses(model, module), stream, windows, pace.Pace([pace.Way(3)]))
    assert scored(fast.losses, stream, windows, fast.pace) == pytest.approx(own, rel=1e-7)  # its losses are float32


def test_where_the_trial_disagrees_the_scripts_own_scores_and_a_note_says_so(tmp_path, monkeypatch):
    model, module = made(BASELINE, dtype=torch.float32)
    stream, windows = stream_of(tmp_path, 500), Windows(480, 24, 24)
    honest = BaselineForward.losses
    monkeypatch.setattr(BaselineForward, "losses", lambda self, *args: honest(self, *args) * (1 + 1e-5))
    fallen = chosen(model, module, stream, windows, dtype="float32")
    assert fallen.name == "script"
    assert re.search(
        r"was tried on 3 windows and set aside, because its losses differ by 1\.\de-05 of", fallen.notes[0]
    )
    own = scored(token_losses(model, module), stream, windows, pace.Pace([pace.Way(4)]))
    assert scored(fallen.losses, stream, windows, pace.Pace([pace.Way(4)])) == own


def test_one_wrong_token_is_a_disagreement(tmp_path, monkeypatch):
    """Two errors that cancel in the sum are seen all the same."""
    model, module = made(BASELINE, dtype=torch.float32)
    stream, windows = stream_of(tmp_path, 500), Windows(480, 24, 24)
    honest = BaselineForward.losses

    def swapped(self, *args):
        losses = honest(self, *args).clone()
        losses[0, :2] += torch.tensor([0.1, -0.1])
        return losses

    monkeypatch.setattr(BaselineForward, "losses", swapped)
    assert chosen(model, module, stream, windows, dtype="float32").name == "script"


def test_a_forward_that_fails_in_the_trial_is_set_aside_with_its_reason(tmp_path, monkeypatch):
    model, module = made(BASELINE)
    monkeypatch.setattr(baseline_forward, "_multiply_add", mock.Mock(side_effect=RuntimeError("no such operator")))
    fallen = chosen(model, module, stream_of(tmp_path, 500), Windows(480, 24, 24))
    assert fallen.name == "script"
    assert "it failed: RuntimeError: no such operator" in fallen.notes[0]


def test_other_dtypes_and_short_jobs_keep_the_scripts_own_forward(tmp_path):
    model, module = made(BASELINE)
    stream = stream_of(tmp_path, 500)
    assert chosen(model, module, stream, Windows(480, 24, 24), dtype="bfloat16").name == "script"
    assert chosen(model, module, stream, Windows(240, 24, 24)).name == "script"
    assert chosen(model, module, stream, Windows(480, 24, 24)).name == "baseline"


def test_a_weight_that_is_not_finite_gives_no_number(tmp_path):
    """The token with the broken row is met after the windows of the trial."""
    model, module = made(BASELINE, TIE_EMBEDDINGS="0")
    ids = np.zeros(500, dtype=np.int64)
    ids[100] = 95
    shards.write_shard(tmp_path / "fineweb_val_000000.bin", ids)
    stream, windows = shards.Stream([tmp_path / "fineweb_val_000000.bin"]), Windows(480, 24, 24)
    model.get_parameter("tok_emb.weight").data[95] = math.nan
    fast = chosen(model, module, stream, windows)
    assert fast.name == "baseline"
    with pytest.raises(UnreadableInput, match="loss is nan in the window at token"):
        scored(fast.losses, stream, windows, fast.pace)
    model.get_parameter("tok_emb.weight").data[0] = math.nan
    fallen = chosen(model, module, stream, windows)
    assert fallen.name == "script"
    with pytest.raises(UnreadableInput, match="loss is nan"):
        scored(fallen.losses, stream, windows, pace.Pace([pace.Way(4)]))


@given(targets=st.integers(0, 300), seq_len=st.integers(1, 40), data=st.data())
def test_windows_that_are_alike_have_one_shape_and_all_but_two_are(targets, seq_len, data):
    windows = Windows(targets, seq_len, data.draw(st.integers(1, seq_len)))
    assert len({windows[index].shape for index in windows.alike}) <= 1
    assert len(windows.alike) >= len(windows) - 2
    assert [windows[index] for index in range(len(windows))] == list(windows)
