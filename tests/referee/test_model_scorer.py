"""A challenge script's model, asked as a scorer, says what `golf evaluate-bpb` says, and predicts what it scores."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import InProcess

from golf.errors import NotFound, UnreadableInput
from golf.measure.script_model import load_script
from golf.measure.windows import Windows
from golf.referee import audit_text, causality, model_scorer, scorers
from golf.referee.questions import Effort
from golf.referee.scorers import Checkpoint

SCRIPT = '''
import os

import torch
import torch.nn.functional as F
from torch import nn


class Hyperparameters:
    vocab_size = 24
    train_seq_len = int(os.environ.get("TRAIN_SEQ_LEN", 16))


class GPT(nn.Module):
    """One layer of attention; `forward` gives the mean loss and nothing else, as in the challenge."""

    def __init__(self, vocab_size):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, 8)
        self.qkv = nn.Linear(8, 24, bias=False)

    def hidden(self, input_ids):
        x = self.tok_emb(input_ids)
        q, k, v = (part.unsqueeze(1) for part in self.qkv(x).chunk(3, -1))
        return x + F.scaled_dot_product_attention(q, k, v, is_causal=True).squeeze(1)

    def forward(self, input_ids, target_ids):
        logits = F.linear(self.hidden(input_ids).flatten(0, 1), self.tok_emb.weight)
        return F.cross_entropy(10 * torch.tanh(logits / 10), target_ids.flatten())
'''

WITH_LOGITS = (
    SCRIPT
    + """
    def logits(self, input_ids):
        return 10 * torch.tanh(F.linear(self.hidden(input_ids), self.tok_emb.weight) / 10)
"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model")
    (place / "train_gpt.py").write_text(SCRIPT)
    (place / "with_logits.py").write_text(WITH_LOGITS)
    module = load_script(place / "train_gpt.py")
    torch.manual_seed(0)
    model = module.GPT(24)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 1.0)
    torch.save(model.state_dict(), place / "final_model.pt")
    return place


def load(folder: Path, script: str = "train_gpt.py", **changes) -> scorers.Scorer:
    return Checkpoint(str(folder / script), str(folder / "final_model.pt"), {}, **changes).load()


def tokens(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(24, size=length)


@settings(max_examples=30)
@given(length=st.integers(2, 70), seq_len=st.integers(1, 20), data=st.data())
def test_a_prediction_from_the_prefix_is_the_distribution_the_token_is_scored_with(
    folder: Path, length: int, seq_len: int, data: st.DataObject
) -> None:
    """For every length, window and stride: the context is the same."""
    stride = data.draw(st.integers(1, seq_len))
    run, model = tokens(length), load(folder, seq_len=seq_len, stride=stride)
    at = data.draw(st.integers(1, length - 1))
    nats = model.score(run)
    assert nats.shape == (length - 1,)
    log_p = scorers.predict_next(model, run[:at])
    assert np.exp(log_p).sum() == pytest.approx(1)
    assert -log_p[run[at]] == pytest.approx(nats[at - 1], abs=1e-5)


def test_a_model_that_has_logits_says_the_same_as_one_whose_loss_is_listened_to(folder: Path) -> None:
    run = tokens(40)
    listened, asked = load(folder), load(folder, "with_logits.py")
    np.testing.assert_allclose(listened.score(run), asked.score(run), atol=1e-6)
    np.testing.assert_allclose(listened.predict(run[:9]), asked.predict(run[:9]), atol=1e-6)


def test_a_stream_that_goes_on_otherwise_has_the_same_scores_to_the_last_bit(folder: Path) -> None:
    model, run = load(folder, seq_len=7, stride=3), tokens(33)
    other = np.concatenate([run[:20], tokens(13, seed=1)])
    np.testing.assert_array_equal(model.score(run)[:19], model.score(other)[:19])


def test_the_script_takes_its_settings_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAIN_SEQ_LEN", "0")  # restored afterwards: loading sets it
    run = tokens(30)
    set_by_env = Checkpoint(str(folder / "train_gpt.py"), str(folder / "final_model.pt"), {"TRAIN_SEQ_LEN": "5"}).load()
    np.testing.assert_array_equal(set_by_env.score(run), load(folder, seq_len=5).score(run))


def test_a_checkpoint_that_is_not_there_or_does_not_fit_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.pt"):
        Checkpoint(str(folder / "train_gpt.py"), str(tmp_path / "none.pt"), {}).load()
    torch.save({"x": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(UnreadableInput, match="does not fit"):
        Checkpoint(str(folder / "train_gpt.py"), str(tmp_path / "other.pt"), {}).load()


def test_a_forward_that_takes_no_cross_entropy_cannot_be_asked(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "train_gpt.py"
    script.write_text(SCRIPT.replace("return F.cross_entropy(", "return (lambda logits, targets: logits.mean())("))
    model = Checkpoint(str(script), str(folder / "final_model.pt"), {}).load()
    with pytest.raises(UnreadableInput, match="0 times"):
        model.predict(tokens(5))


@pytest.mark.parametrize(
    "before, after, probe",
    [
        ("", "", None),
        ("is_causal=True", "is_causal=False", "future"),
        ("self.hidden(input_ids).flatten(0, 1)", "(self.hidden(input_ids) + self.tok_emb(target_ids)).flatten(0, 1)",
         "normalisation"),
    ],
)  # fmt: skip
def test_a_model_that_sees_ahead_or_its_own_target_is_found(
    folder: Path, tmp_path: Path, before: str, after: str, probe: str | None
) -> None:
    script = tmp_path / "train_gpt.py"
    script.write_text(SCRIPT.replace(before, after))
    made = Checkpoint(str(script), str(folder / "final_model.pt"), {}).load

    @contextlib.contextmanager
    def fresh() -> Iterator[InProcess]:
        yield InProcess(made())

    found = causality.audit(
        fresh,
        lambda vocab_size: audit_text.made_up(vocab_size, 48, 1, np.random.default_rng(0)),
        target="model",
        effort=Effort(num_positions=8, controls=1),
    )
    assert (found.breaches[0].probe if found.breaches else None) == probe
    assert found.verdict == ("violation" if probe else "causal")


@pytest.mark.parametrize("seq_len, stride", [(4, 4), (4, 1), (6, 4)])
def test_windows_start_where_the_evaluation_starts_them(seq_len: int, stride: int) -> None:
    for at in Windows(24, seq_len, stride):
        for target in range(at.first, at.end):
            assert model_scorer.window_start(target, seq_len, stride) == at.start
