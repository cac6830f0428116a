"""Models that see the tokens they are to predict, in the plain ways, and those that only look as if."""

import pytest
from toy_case import toy_case

from golf.referee.checks.lookahead import findings

MODEL = """\
import torch
import torch.nn as nn
import torch.nn.functional as F

class Config:
    is_causal = True
    both_ways = False

class Attention(nn.Module):
    def forward(self, x):
        q, k, v = self.qkv(x)
        return {attention}

class Net(nn.Module):
    def forward(self, input_ids, target_ids, hint=None):
        x = self.embed(input_ids)
        {mixed}
        return F.cross_entropy(self.head(Attention()(x)), target_ids)

def decode(q, k, v):
    return F.scaled_dot_product_attention(q, k, v)

def main():
    model = Net()
    x, y = batch()
    {before}
    loss = model({given})

main()
"""
CAUSAL = "F.scaled_dot_product_attention(q, k, v, attn_mask=None, is_causal=True)"


def found(attention: str = CAUSAL, mixed: str = "pass", given: str = "x, y", before: str = "pass", **words):
    script = MODEL.format(attention=attention, mixed=mixed, given=given, before=before)
    return findings(toy_case(script, **words))


def codes(**words: str) -> list[tuple[str, str]]:
    return [(one.code, one.severity) for one in found(**words)]


@pytest.mark.parametrize(
    "attention",
    [
        CAUSAL.replace("True", "False"),
        "F.scaled_dot_product_attention(q, k, v)",
        "F.scaled_dot_product_attention(q, k, v, None, 0.0, False)",
        "F.scaled_dot_product_attention(q, k, v, is_causal=Config.both_ways)",
        "flash_attn_func(q, k, v, causal=False)",
        "flash_attn_func(q, k, v)",
    ],
)
def test_attention_that_is_nowhere_causal_asks_for_a_person(attention: str) -> None:
    (one,) = found(attention=attention)
    assert (one.code, one.severity) == ("SLOT_NONCAUSAL", "flag")
    assert one.evidence[0].quote == f"return {attention}"


@pytest.mark.parametrize(
    "attention",
    [
        CAUSAL,
        "F.scaled_dot_product_attention(q, k, v, None, 0.0, True)",
        "F.scaled_dot_product_attention(q, k, v, attn_mask=mask)",
        "F.scaled_dot_product_attention(q, k, v, mask)",
        "F.scaled_dot_product_attention(q, k, v, is_causal=Config.is_causal)",
        "F.scaled_dot_product_attention(q, k, v, is_causal=past is None)",
        "flash_attn_func(q, k, v, causal=True, window_size=(512, 0))",
        "F.scaled_dot_product_attention(q, k, v) + F.scaled_dot_product_attention(q, k, v, is_causal=True)",
    ],
)
def test_attention_that_is_causal_or_may_be_is_left_alone(attention: str) -> None:
    assert codes(attention=attention) == []


@pytest.mark.parametrize(
    "mixed",
    [
        "x = x + 0.2 * torch.cat([x[:, 1:], torch.zeros_like(x[:, :1])], dim=1)",
        "x = x + torch.roll(x, -1, dims=1)",
        "x = x + self.gate * torch.roll(x, shifts=-1, dims=-2)",
        "ahead = F.pad(x[:, 1:], (0, 0, 0, 1)); x = x + ahead * 0.1",
    ],
)
def test_a_later_token_mixed_into_each_position_asks_for_a_person(mixed: str) -> None:
    assert codes(mixed=mixed) == [("SLOT_NONCAUSAL", "flag")]


@pytest.mark.parametrize(
    "mixed",
    [
        "x = x + 0.2 * torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)",
        "x = x + torch.roll(x, 1, dims=1)",
        "targets = torch.cat([input_ids[:, 1:], pad], dim=1); loss = loss + F.cross_entropy(x, targets)",
        "x = x + torch.cat([x[..., 32:], x[..., :32]], dim=-1)",
        "step = x[:, 1:] - x[:, :-1]",
    ],
)
def test_what_came_before_and_targets_may_be_shifted(mixed: str) -> None:
    assert codes(mixed=mixed) == []


@pytest.mark.parametrize(
    ("before", "given"),
    [
        ("pass", "x, y, torch.roll(y, -1, 1)"),
        ("ahead = torch.roll(y, -1, dims=-1)", "x, y, ahead"),
        ("pass", "x, y, hint=torch.roll(y, shifts=-1, dims=1)"),
    ],
)
def test_later_tokens_handed_to_the_model_ask_for_a_person(before: str, given: str) -> None:
    assert codes(before=before, given=given) == [("SLOT_NONCAUSAL", "flag")]


@pytest.mark.parametrize("given", ["x, torch.roll(x, -1, 1)", "x, target_ids=torch.roll(x, -1, 1)"])
def test_targets_are_the_input_shifted(given: str) -> None:
    assert codes(given=given) == []


def test_a_denoiser_outside_the_record_track_that_states_a_bound_is_only_worth_a_note() -> None:
    script = MODEL.format(attention=CAUSAL.replace("True", "False"), mixed="pass", given="x, y", before="pass")
    case = toy_case(script, readme="# Masked diffusion\n\nNon-record. The score is the ELBO, an upper bound.\n")
    assert [one.severity for one in findings(case)] == ["note"]


def test_code_that_never_runs_is_not_judged() -> None:
    assert findings(toy_case("def decode(q, k, v):\n    return F.scaled_dot_product_attention(q, k, v)\n")) == []
