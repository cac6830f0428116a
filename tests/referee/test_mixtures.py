"""Byte mixtures that are no distribution, and gates that leak across documents."""

from toy_case import toy_case

from golf.referee.case import Case, LogText
from golf.referee.checks.mixtures import findings

SPREAD = """\
import math
import os

class Config:
    ppm_enabled = bool(int(os.environ.get("PPM_ENABLED", "1")))

def mixture(nlls, pieces, model, weight):
    total = 0.0
    for nll, piece in zip(nlls, pieces):
        held = piece.encode()
        share = math.exp(-nll / len(held))
        for byte in held:
            p = model.probability(byte)
            total -= math.log(weight * share + (1.0 - weight) * p)
            model.update(byte)
    return total

def main(config):
    if config.ppm_enabled:
        print("ppm: bits", mixture([], [], None, 0.5))

main(Config())
"""

MULTIPLIED = """\
import math

def ppm_score(token_logp, token, token_bytes_lut, model, weight):
    product = sum(model.logp(byte) for byte in token_bytes_lut[token])
    return math.log(weight * math.exp(token_logp) + (1.0 - weight) * math.exp(product))

ppm_score(0, 0, [], None, 0.5)
"""

NATIVE = '''\
SOURCE = r"""
#include <stdint.h>
double score(const uint8_t *text) { double ppm = 0, mix = 0; return mix; }
"""

def build():
    return compile_it(SOURCE)

build()
'''

PACKED = """\
import torch

def forward(x, gate, input_ids, cu_seqlens):
    g = torch.sigmoid(gate(x)) * 0.1  # smear
    x = torch.cat([x[:, :1], x[:, 1:] + g * x[:, :-1]], dim=1)
    return x

forward(0, 0, 0, 0)
"""


def codes(case: Case) -> dict[str, str]:
    return {one.code: one.severity for one in findings(case)}


def dated(script: str, day: str) -> Case:
    case = toy_case(script)
    case.json = {"date": day}
    return case


def logged(script: str, text: str, claim: float | None = None) -> Case:
    case = toy_case(script, logs=(dict[str, str](),))
    path = case.logs[0].path
    case.log_texts = {path: LogText("train_0.log", text, list(enumerate(text.splitlines(), 1)))}
    case.submission = case.submission.model_copy(update={"claimed_val_bpb": claim})
    return case


def test_a_tokens_probability_spread_over_its_bytes_is_blocked() -> None:
    assert codes(toy_case(SPREAD)) == {"PPM_UNNORMALISED": "block"}


def test_bytes_multiplied_up_to_a_token_are_blocked() -> None:
    assert codes(toy_case(MULTIPLIED)) == {"PPM_UNNORMALISED": "block"}


def test_a_mixture_in_c_inside_a_script_is_blocked() -> None:
    assert codes(toy_case(NATIVE)) == {"PPM_UNNORMALISED": "block"}


def test_a_mixture_that_is_switched_off_is_nothing() -> None:
    assert codes(toy_case(SPREAD.replace('"PPM_ENABLED", "1"', '"PPM_ENABLED", "0"'))) == {}


def test_a_log_shows_that_it_ran_after_all() -> None:
    off = SPREAD.replace('"PPM_ENABLED", "1"', '"PPM_ENABLED", "0"')
    assert codes(logged(off, "ppm: bits 1.01\n")) == {"PPM_UNNORMALISED": "block"}


def test_a_log_without_its_messages_leaves_a_doubt() -> None:
    assert codes(logged(SPREAD, "step:1/1 val_loss:1.0 val_bpb:1.0\n")) == {"PPM_UNNORMALISED": "flag"}


def test_a_mixture_beside_the_claimed_score_asks_for_a_reader() -> None:
    log = "ppm: bits 1\nppm mix_bpb=0.9500\n"
    assert codes(logged(SPREAD, log, claim=1.1)) == {"PPM_UNNORMALISED": "flag"}
    assert codes(logged(SPREAD, log, claim=0.951)) == {"PPM_UNNORMALISED": "block"}


def test_sums_over_tokens_that_begin_alike_ask_for_a_reader() -> None:
    summed = SPREAD.replace("model.probability(byte)", "model.probability(byte) * marginal(byte)")
    assert codes(toy_case(summed)) == {"PPM_UNNORMALISED": "flag"}


def test_a_mixture_of_two_models_of_tokens_is_none_of_bytes() -> None:
    script = """\
import math

def mixed(logp, cache_logp, weight, token_bytes):
    p = weight * math.exp(logp) + (1.0 - weight) * math.exp(cache_logp)
    return -math.log(p) / token_bytes

mixed(0, 0, 0.5, 1)
"""
    assert codes(toy_case(script)) == {}


def test_a_gate_open_across_documents_is_flagged_since_the_ruling() -> None:
    assert codes(dated(PACKED, "2026-04-29")) == {"BOS_LEAK": "flag"}
    assert codes(dated(PACKED, "2026-04-16")) == {}
    assert codes(toy_case(PACKED)) == {}


def test_a_masked_gate_is_right() -> None:
    masked = PACKED.replace("* 0.1  # smear", "* (input_ids[:, 1:] != BOS_ID)  # smear")
    assert codes(dated(masked, "2026-04-29")) == {}


def test_a_gate_without_packed_documents_is_right() -> None:
    assert codes(dated(PACKED.replace("cu_seqlens", "lengths"), "2026-04-29")) == {}


def test_what_is_nested_too_deeply_raises_nothing() -> None:
    total = " + ".join(["(1.0 - weight) * ppm"] * 900)
    script = f"def ppm_mix(weight, ppm, held):\n    held = bytes(held)\n    return {total}\n\nppm_mix(0, 0, [])\n"
    assert findings(toy_case(script)) == []
