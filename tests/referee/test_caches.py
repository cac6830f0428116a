"""N-gram caches: what breaks the rules, what does not, and what is switched off."""

from toy_case import fenced, toy_case

from golf.referee.case import Case, TextFile
from golf.referee.checks.caches import findings
from golf.rulings import SubmittedSeed

SETTINGS = """\
import os
import numpy as np

class Config:
    use_cache = bool(int(os.environ.get("USE_CACHE", "1")))
    smooth = bool(int(os.environ.get("SMOOTH", "0")))
"""

CACHE = """\
def mixed_nll(seen, tokens, places, model_p, tables, wider, primes, mask, order, weight):
    context = np.zeros(len(places), dtype=np.uint64)
    for back in range(order - 1):
        context ^= tokens[places - (order - 1 - back)] * primes[back]
    narrow_key = (context & mask).astype(np.int64)
    wide_key = ((context ^ (tokens[places] * primes[order])) & mask).astype(np.int64)
    share = wider[wide_key] / np.maximum(tables[narrow_key], 1.0)
    mixed = (1.0 - weight) * model_p + weight * share
    np.add.at(tables, narrow_key, 1)
    np.add.at(wider, wide_key, 1)
    return -np.log(mixed)

def main(args):
    if args.use_cache:
        print("cache: scoring with counts", mixed_nll())

main(Config())
"""

OVER_VOCABULARY = """\
def distribution(counts, seen, vocab_size, context, mask, model):
    every = np.arange(vocab_size)
    keys = ((context[:, None] * 31) ^ (every[None, :] * 17)) & mask
    found = counts[keys]
    share = found / found.sum(axis=1)
    np.add.at(counts, keys, 1)
    return 0.7 * model + 0.3 * share

main = distribution(None, None, 1024, None, 3, None)
"""

HINT = """\
def hints(tokens, tables, best, mask, primes):
    context = 0
    out = []
    for place in range(4, len(tokens)):
        for back in range(4):
            context ^= tokens[place - 4 + back] * primes[back]
        key = context & mask
        out.append((best[key], tables[key] / max(tables[key], 1)))
        tables[key] += 1
    return out

hints([], [], [], 3, [])
"""

SCORES = """\
import torch

def evaluate(nll, cache_nll, places):
    nll[places] = torch.minimum(nll[places], cache_nll)
    return nll

evaluate(None, None, None)
"""

WORDS = """\
def build_hints(tokens, starts_word, tables, best):
    top_token = [0] * len(tokens)
    for i, tok in enumerate(tokens):
        is_start = bool(starts_word[tok])
        if is_start:
            top_token[i] = best[tables.state]
        tables.push(tok)
    return top_token

build_hints([], [], None, {})
"""

IN_C = """\
#include <stdint.h>
void hints(const uint16_t *tokens, int n, const uint8_t *kind, uint16_t *top_hint, uint16_t *best) {
    for (int i = 0; i < n; ++i) {
        const uint16_t tok = tokens[i];
        const uint8_t begins = kind[tok];
        if (begins) {
            top_hint[i] = best[state()];
        }
        push(tok);
    }
}
"""


def codes(case: Case) -> dict[str, str]:
    return {one.code: one.severity for one in findings(case)}


def test_a_count_keyed_with_the_token_to_be_predicted_and_mixed_is_blocked() -> None:
    found = findings(toy_case(SETTINGS + CACHE))
    assert {one.code: one.severity for one in found} == {"NGRAM_TARGET_IN_KEY": "block", "NGRAM_UNNORMALISED": "block"}
    keyed = next(one for one in found if one.code == "NGRAM_TARGET_IN_KEY")
    assert "wider[wide_key]" in keyed.evidence[0].quote


def test_names_do_not_matter() -> None:
    renamed = CACHE.replace("wide_key", "b").replace("narrow_key", "a").replace("share", "r").replace("tokens", "seq")
    assert codes(toy_case(SETTINGS + renamed)) == {"NGRAM_TARGET_IN_KEY": "block", "NGRAM_UNNORMALISED": "block"}


def test_a_cache_that_is_switched_off_is_nothing() -> None:
    off = SETTINGS.replace('"USE_CACHE", "1"', '"USE_CACHE", "0"')
    assert codes(toy_case(off + CACHE)) == {}
    assert "NGRAM_TARGET_IN_KEY" in codes(toy_case(off + CACHE, readme=fenced("USE_CACHE=1 torchrun train_gpt.py")))


def test_keys_made_by_helpers_are_followed() -> None:
    script = CACHE.replace(
        "    wide_key = ((context ^ (tokens[places] * primes[order])) & mask).astype(np.int64)\n",
        "    wide_key = completed(context, tokens[places], primes[order], mask)\n",
    )
    helper = "def completed(h, target, p, mask):\n    return (h ^ (target * p)) & mask\n\n"
    assert codes(toy_case(SETTINGS + helper + script))["NGRAM_TARGET_IN_KEY"] == "block"


def test_counts_by_method_and_mixing_elsewhere_are_one_cache() -> None:
    script = """\
import torch

class Store:
    def prob(self, context, y, primes, mask):
        a = context & mask
        b = (context * 1000003 + y * primes[0]) % mask
        self.pairs.scatter_add_(0, b, 1)
        return self.pairs.gather(0, b) / self.totals.gather(0, a)

def evaluate(store, model_p, context, y):
    p = store.prob(context, y, [3], 1 << 20)
    return -torch.log(model_p * 0.7 + p * 0.3)

evaluate(Store(), 0, 0, 0)
"""
    assert codes(toy_case(script))["NGRAM_TARGET_IN_KEY"] == "block"


def test_a_models_probability_as_prior_is_disputed() -> None:
    smoothed = CACHE.replace(
        "wider[wide_key] / np.maximum(tables[narrow_key], 1.0)",
        "(wider[wide_key] + weight * model_p) / (tables[narrow_key] + weight)",
    ).replace("(1.0 - weight) * model_p + weight * share", "share")
    assert codes(toy_case(SETTINGS + smoothed)) == {"NGRAM_TARGET_IN_KEY": "flag", "NGRAM_UNNORMALISED": "flag"}


def test_counts_of_the_whole_vocabulary_over_their_sum_are_a_distribution() -> None:
    assert codes(toy_case(OVER_VOCABULARY.replace("main =", "import numpy as np\nmain ="))) == {}


def test_counts_of_the_whole_vocabulary_over_another_count_are_none() -> None:
    script = (
        OVER_VOCABULARY.replace("found.sum(axis=1)", "seen[(context * 31) & mask]")
        .replace("found = counts[keys]", "found = counts[keys].gather(1, target)")
        .replace("context, mask", "context, target, mask")
        .replace("context[:, None] * 31", "context * 31")
    )
    assert set(codes(toy_case(script))) == {"NGRAM_UNNORMALISED"}


def test_a_row_of_counts_per_hashed_context_is_a_distribution() -> None:
    script = """\
import torch

def mixed(counts, totals, model_p, t1, t2, y, weight):
    row = ((t2 * 36313) ^ (t1 * 27191)) % 4096
    share = (counts[row, y] + 0.01) / (totals[row] + 0.01 * 1024)
    counts.index_add_(0, row, 1)
    return weight * share + (1 - weight) * model_p

mixed(0, 0, 0, 0, 0, 0, 0)
"""
    assert codes(toy_case(script)) == {}
    assert codes(toy_case(script.replace("counts[row, y]", "counts[(row * 31 + y * 17) % 4096]"))) != {}


def test_hints_by_context_alone_are_legal() -> None:
    assert codes(toy_case(HINT)) == {}


def test_hashed_embeddings_of_input_tokens_are_legal() -> None:
    script = """\
import torch

def hashed(t, table, weight):
    key = torch.bitwise_xor(36313 * t[..., 1:], 27191 * t[..., :-1]) % 1024
    counts = torch.bincount(t)
    return weight * table[key] / 8 + (1 - weight) * t

hashed(None, None, 1)
"""
    assert codes(toy_case(script)) == {}


def test_the_better_of_two_scores_is_an_oracle() -> None:
    assert codes(toy_case(SCORES)) == {"NGRAM_ORACLE_GATE": "block"}


def test_a_score_that_is_replaced_where_that_is_better_is_an_oracle() -> None:
    script = """\
def run(nll, new_nll, i):
    old_nll = nll[i]
    if new_nll < old_nll:
        nll[i] = new_nll

run([], 1, 0)
"""
    assert codes(toy_case(script)) == {"NGRAM_ORACLE_GATE": "block"}


def test_the_best_of_two_losses_of_a_run_is_no_oracle() -> None:
    script = """\
def run(val_loss, best_val_loss):
    if val_loss < best_val_loss:
        best_val_loss = val_loss

run(1, 2)
"""
    assert codes(toy_case(script)) == {}


def test_a_hint_that_depends_on_its_own_token_is_blocked() -> None:
    assert codes(toy_case(WORDS)) == {"NGRAM_TARGET_GATE": "block"}


def test_a_hint_that_depends_on_the_token_before_is_legal() -> None:
    before = WORDS.replace("starts_word[tok]", "starts_word[tokens[i - 1]]")
    assert codes(toy_case(before)) == {}


def test_a_hint_without_weight_is_nothing() -> None:
    weight = 'import os\nword_boost = float(os.environ.get("WORD_BOOST", "0.75"))\n'
    assert codes(toy_case(weight + WORDS)) == {"NGRAM_TARGET_GATE": "block"}
    assert codes(toy_case(weight.replace("0.75", "0.0") + WORDS)) == {}


def test_the_logs_of_the_claimed_seeds_tell_the_weight() -> None:
    weight = 'import os\nword_boost = float(os.environ.get("WORD_BOOST", "0.75"))\n'
    case = toy_case(weight + WORDS, logs=({"word_boost": "0.75"}, {"word_boost": "0.0"}))
    assert codes(case) == {"NGRAM_TARGET_GATE": "flag"}
    for log, severities in ((1, {}), (0, {"NGRAM_TARGET_GATE": "block"})):
        seed = SubmittedSeed.model_construct(log=case.logs[log].path, also=[])
        case.submission = case.submission.model_copy(update={"seeds": [seed]})
        assert codes(case) == severities


def test_a_gate_in_c_is_found() -> None:
    case = toy_case("import ctypes\n")
    case.others = [TextFile("hints.c", IN_C)]
    assert codes(case) == {"NGRAM_TARGET_GATE": "block"}
    case.others = [TextFile("hints.c", IN_C.replace("kind[tok]", "kind[previous]"))]
    assert codes(case) == {}


def test_a_case_without_code_has_no_findings() -> None:
    assert findings(toy_case("")) == []


def test_what_is_nested_too_deeply_raises_nothing() -> None:
    choices = "\n".join(f"    elif seen == {n}:\n        pass" for n in range(600))
    deep = (
        f"def run(seen, table, key):\n    if seen:\n        pass\n{choices}\n    table[key ^ seen * 3] += 1\n\nrun(0)\n"
    )
    total = " + ".join(["key ^ seen * 3"] * 900)
    wide = f"def run(seen, table, key):\n    table[key] += 1\n    return {total}\n\nrun(0, [], 0)\n"
    for script in (deep, wide):
        case = toy_case(script)
        assert case.scripts[0].tree is not None
        assert findings(case) == []
