"""The rubric, the standing and the deterministic grader: outcomes change the next grade."""

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import BIGRAM, NOW, competitor, failed, item, known, row

from golf.answers.research import GradedItem
from golf.play import experiments, ledger
from golf.research import attempts, grader, rubric
from golf.research.nouns import Graded, Item
from golf.research.standing import Failed, Standing, standing
from golf.workspace import Workspace


def answer(**fields: Any) -> GradedItem:
    grades: dict[str, Any] = dict.fromkeys(rubric.DIMENSIONS, 0)
    flags = dict.fromkeys(rubric.FORBIDDEN, False)
    said = {"title": "t", "url": None, "competitor_validated": None, "techniques": [], "reason": "r"}
    return GradedItem(**{**said, **grades, **flags, **fields})


def tallied(given: GradedItem, has_competitors: bool = False) -> Graded:
    return rubric.graded(given, item_id="i", source="s", by="codex", at=NOW, has_competitors=has_competitors)


# --- rubric


def test_s39_the_five_dimensions_have_the_published_ranges_and_add_up_to_15() -> None:
    assert [rubric.highest(name) for name in rubric.DIMENSIONS] == [3, 3, 2, 4, 3]
    best = tallied(answer(**{name: rubric.highest(name) for name in rubric.DIMENSIONS}))
    assert (best.total, best.tier) == (15, "A")


@pytest.mark.parametrize("name", [*rubric.DIMENSIONS, rubric.COMPETITOR_DIMENSION])
def test_s39_a_grade_beyond_its_range_is_refused(name: str) -> None:
    for value in (-1, rubric.highest(name) + 1):
        with pytest.raises(ValueError, match=name):
            answer(**{name: value})


def test_s39_an_answer_has_no_room_for_a_total_of_its_own() -> None:
    with pytest.raises(ValueError, match="total"):
        answer(total=15)


@pytest.mark.parametrize(("total", "tier"), [(10, "A"), (9, "B"), (7, "B"), (6, "C")])
def test_s40_tiers_begin_at_10_and_at_7(total: int, tier: str) -> None:
    left = total
    grades = {}
    for name in rubric.DIMENSIONS:
        grades[name] = min(left, rubric.highest(name))
        left -= grades[name]
    graded = tallied(answer(**grades))
    assert (graded.total, graded.tier) == (total, tier)


def test_s41_competitors_count_only_where_there_are_any() -> None:
    given = answer(bpb_impact=3, competitor_validated=2)
    assert tallied(given, has_competitors=False).competitor_validated is None
    assert tallied(given, has_competitors=False).total == 3
    assert tallied(given, has_competitors=True).total == 5


@pytest.mark.parametrize("flag", rubric.FORBIDDEN)
def test_s42_a_hard_zero_makes_any_item_tier_c(flag: str) -> None:
    full = {name: rubric.highest(name) for name in rubric.DIMENSIONS}
    graded = tallied(answer(**full, **{flag: True}))
    assert (graded.total, graded.tier) == (0, "C")
    assert graded.ruled_out == rubric.FORBIDDEN[flag]


# --- standing


PAID = "[tiers.local]\n[tiers.rented]\ngpus = 8\nhourly_rate_usd = 20\n[tiers.own8]\ngpus = 8\n[tiers.gpu]\ngpus = 1\n"


def test_s46_the_best_is_the_lowest_kept_score_of_a_paid_tier(workspace: Workspace) -> None:
    (workspace.root / "golf.toml").write_text(PAID)
    workspace = Workspace(workspace.root)
    assert standing(workspace).best_bpb is None
    assert standing(workspace).bar_bpb == 1.2244
    for tier, status, score in (
        ("local", "keep", 1.01),
        ("gpu", "keep", 1.02),
        ("unheard-of", "keep", 1.03),
        ("runpod", "discard", 1.04),
        ("runpod", "crash", None),
        ("rented", "crash", 1.05),
    ):
        ledger.append(workspace.ledger, row("x", tier=tier, status=status, val_bpb=score))
        assert standing(workspace).best_bpb is None
    for tier, score, best in (("runpod", 1.18, 1.18), ("rented", 1.19, 1.18), ("own8", 1.17, 1.17)):
        ledger.append(workspace.ledger, row(f"on {tier}", tier=tier, status="keep", val_bpb=score))
        assert standing(workspace).best_bpb == best
    assert standing(workspace).best == "on own8"


def test_s44_failed_are_the_last_ten_discarded_or_crashed_rows(workspace: Workspace) -> None:
    for number in range(14):
        status = ("discard", "crash", "keep")[number % 3]
        ledger.append(workspace.ledger, row(f"idea {number}", status=status))
    assert [one.description for one in standing(workspace).failed] == [f"idea {n}" for n in range(14) if n % 3 < 2]
    for number in range(14, 20):
        ledger.append(workspace.ledger, row(f"idea {number}"))
    shown = standing(workspace).failed
    assert len(shown) == 10
    assert shown[-1].description == "idea 19"


def test_s47_proven_are_the_baseline_s_techniques_and_those_kept_on_a_paid_tier(workspace: Workspace) -> None:
    before = standing(workspace).proven
    assert "muon" in before
    assert "bigram_hash" not in before
    ledger.append(workspace.ledger, row("add BigramHash(10240)", status="keep"))  # local: nothing is proven by it
    ledger.append(workspace.ledger, row("add SmearGate", tier="runpod", status="discard"))
    assert standing(workspace).proven == before
    ledger.append(workspace.ledger, row("add BigramHash(10240)", tier="runpod", status="keep", promoted="yes"))
    assert standing(workspace).proven == [*before, "bigram_hash"]


def test_tried_are_techniques_of_rows_that_are_neither_proven_nor_among_the_last_ten_failures(
    workspace: Workspace,
) -> None:
    (workspace.root / "golf.toml").write_text(PAID)
    workspace = Workspace(workspace.root)
    for description, tier, status, score in (
        ("add SmearGate", "local", "discard", 1.3),  # falls out of the last ten below
        ("partial RoPE, 16 of 64", "local", "keep", 1.2),
        ("add BigramHash(10240)", "rented", "keep", 1.22),
        ("EMA of the weights", "rented", "discard", 1.21),  # better than what was kept, by too little
    ):
        ledger.append(workspace.ledger, row(description, tier=tier, status=status, val_bpb=score))
    assert standing(workspace).tried == ["partial_rope", "ema"]
    for number in range(10):
        ledger.append(workspace.ledger, row(f"idea {number}", status="crash"))
    assert sorted(standing(workspace).tried) == ["ema", "partial_rope", "smear_gate"]


def test_an_experiment_s_techniques_come_from_its_claim_its_hypothesis_or_its_script(workspace: Workspace) -> None:
    script = workspace.root / "train_gpt.py"
    script.write_text("use_muon = 1\n")
    base = experiments.claim(workspace, "base", hypothesis="the start", script=script)
    script.write_text("use_muon = 1\nsmear_gate = 1\n")
    for name, said in (
        ("claimed", {"hypothesis": "it helps", "techniques": ["ema", "not in the catalogue"]}),
        ("spoken", {"hypothesis": "a BigramHash helps"}),
        ("written", {"hypothesis": "it helps", "script": script, "parent": base.name}),
    ):
        folder = experiments.claim(workspace, name, **{"script": script, **said})
        ledger.append(workspace.ledger, row(experiments.described(folder.name, experiments.load(folder))))
    assert [one.techniques for one in standing(workspace).failed] == [["ema"], ["bigram_hash"], ["smear_gate"]]


def test_a_row_of_another_loop_is_not_taken_for_the_experiment_that_is_called_as_it_begins(
    workspace: Workspace,
) -> None:
    script = workspace.root / "train_gpt.py"
    script.write_text("use_muon = 1\n")
    experiments.claim(workspace, "add", hypothesis="it helps", script=script, techniques=["ema"])
    ledger.append(workspace.ledger, row("add a BigramHash"))
    assert [one.techniques for one in standing(workspace).failed] == [["bigram_hash"]]
    assert [one.techniques for one in attempts.of_workspace(workspace)] == [["bigram_hash"]]


# --- grader


@pytest.mark.parametrize("status", ["discard", "crash"])
def test_s57_a_failed_row_lowers_the_same_item_s_next_grade(workspace: Workspace, status: str) -> None:
    before = grader.grade(item(), standing(workspace), NOW)
    ledger.append(workspace.ledger, row("add BigramHash(10240) embedding", status=status))
    after = grader.grade(item(), standing(workspace), NOW)
    assert after.total < before.total
    assert after.novelty == 0 < before.novelty
    assert after.bpb_impact == before.bpb_impact - 1
    assert "BigramHash(10240)" in after.reason


def test_s57_a_failed_row_lowers_an_item_without_a_known_technique_by_its_words(workspace: Workspace) -> None:
    odd = item("It lowers the loss of a language model by 1%.", "Wider warm restarts of the embedding table")
    before = grader.grade(odd, standing(workspace), NOW)
    ledger.append(workspace.ledger, row("wider warm restarts of the embedding table"))
    after = grader.grade(odd, standing(workspace), NOW)
    assert after.total < before.total


def test_s47_a_proven_technique_is_less_novel_when_proposed_again(workspace: Workspace) -> None:
    before = grader.grade(item(), standing(workspace), NOW)
    ledger.append(workspace.ledger, row("add BigramHash(10240)", tier="runpod", status="keep", val_bpb=1.22))
    after = grader.grade(item(), standing(workspace), NOW)
    assert after.novelty < before.novelty
    assert after.total < before.total


@pytest.mark.parametrize("status", ["keep", "discard"])
def test_what_was_tried_here_is_less_novel_and_is_not_called_untried(workspace: Workspace, status: str) -> None:
    rope = item("Partial RoPE rotates 16 of 64 dimensions of a transformer's heads.", "Partial RoPE")
    before = grader.grade(rope, standing(workspace), NOW)
    assert "partial_rope was not tried here" in before.reason
    ledger.append(workspace.ledger, row("partial RoPE, 16 of 64", status=status))
    after = grader.grade(rope, standing(workspace), NOW)
    assert after.novelty <= 1 < before.novelty
    assert "not tried here" not in after.reason
    for number in range(10):
        ledger.append(workspace.ledger, row(f"idea {number}", status="crash"))
    later = grader.grade(rope, standing(workspace), NOW)
    assert later.novelty <= 1
    assert "partial_rope was tried here" in later.reason


def test_a_hundred_kilobytes_of_random_bytes_are_tier_c() -> None:
    for seed in range(10):
        for encoding in ("latin-1", "utf-8", "cp437"):
            text = random.Random(seed).randbytes(100_000).decode(encoding, "replace")
            graded = grader.grade(item(text, "SmearGate"), known(competitors=[competitor()]), NOW)
            assert graded.tier == "C", (seed, encoding)


@pytest.mark.parametrize(
    ("text", "impact"),
    [
        ("SmearGate did not gain 0.02 bpb; no improvement of 0.03 bpb.", 0),
        ("int6 saves ~500KB but costs +0.014 BPB with SmearGate", 0),
        ("SmearGate, following PR #967's reported -0.041 BPB", 1),
        ("SmearGate: val_bpb = 1.1980. The parent's val_bpb 1.0500 was measured with TTT.", 1),
    ],
)
def test_no_gain_a_loss_and_the_gain_of_others_are_no_gain_of_an_item(text: str, impact: int) -> None:
    graded = grader.grade(item(text, "SmearGate"), known(best_bpb=1.19), NOW)
    assert graded.bpb_impact <= impact
    assert "gained" not in graded.reason or impact == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("First pip install lemminflect.", "needs lemminflect installed"),
        ("The artifact is 17.2 MB.", "17,200,000 bytes, over 16,000,000"),
        ("It requires 20 minutes of training.", "1,200 s, over 600 s"),
        ("It is 30 MB of weights.", "30,000,000 bytes, over 16,000,000"),
        ("Trains in 2 hours on 8xH100.", "7,200 s, over 600 s"),
    ],
)
def test_s42_what_the_challenge_does_not_allow_is_tier_c_with_the_words_for_it(text: str, words: str) -> None:
    graded = grader.grade(item(f"{BIGRAM} {text}"), known(), NOW)
    assert (graded.total, graded.tier) == (0, "C")
    assert words in graded.ruled_out
    assert text.rstrip(".")[-10:] in graded.reason
    assert grader.grade(item(), known(), NOW).ruled_out == ""


def test_s41_competitors_validate_what_they_use(workspace: Workspace) -> None:
    assert grader.grade(item(), known(), NOW).competitor_validated is None
    for rival, grade in (
        (competitor(), 2),
        (competitor(is_credible=False, doubts=["one seed"]), 1),
        (competitor(techniques=["ema"]), 0),
    ):
        assert grader.grade(item(), known(competitors=[rival]), NOW).competitor_validated == grade


def test_a_grade_quotes_the_text_it_rests_on() -> None:
    graded = grader.grade(item(), known(), NOW)
    assert "0.006 bpb" in graded.reason
    assert "BigramHash embedding" in graded.reason
    assert "Code is available" in graded.reason
    assert graded.techniques == ["bigram_hash"]
    assert graded.graded_by == "rules"


def test_a_text_about_something_else_is_worth_little_however_new() -> None:
    graded = grader.grade(
        item("Code is available at github.com/a/b.", "Folding proteins with 5M parameters"), known(), NOW
    )
    assert graded.tier == "C"
    assert graded.novelty == graded.bpb_impact == 0


def test_a_good_text_reaches_tier_a_and_a_vague_one_does_not() -> None:
    assert grader.grade(item(), known(), NOW).tier == "A"
    assert grader.grade(item("A study of language models.", "On transformers"), known(), NOW).tier == "C"


@pytest.mark.parametrize(("score", "impact"), [(1.10, 3), (1.168, 2), (1.172, 1), (1.19, 0)])
def test_a_stated_score_is_held_against_the_best(score: float, impact: int) -> None:
    graded = grader.grade(item(f"BigramHash, val_bpb: {score:.4f}"), known(best_bpb=1.17), NOW)
    assert graded.bpb_impact == impact


def test_the_score_of_a_submission_that_is_doubted_counts_for_nothing() -> None:
    rival = competitor(url="https://x/74", is_credible=False, doubts=["scored on what it trained on"])
    for url in ("https://x/74", "http://www.x/74/?utm_source=feed#top"):
        graded = grader.grade(item("val_bpb: 0.3000 with BigramHash", url=url), known(competitors=[rival]), NOW)
        assert graded.bpb_impact == 0
        assert "scored on what it trained on" in graded.reason


# --- laws

TECHNIQUES = ["bigram_hash", "smear_gate", "ema", "muon", "gptq", "ttt", "qat", "moe", "zstd", "flash_attention"]
PIECES = [
    "BigramHash", "SmearGate", "EMA", "Muon", "GPTQ", "TTT", "QAT", "mixture of experts", "zstd", "flash attention",
    "lowers loss by 1%.", "val_bpb: 1.1500.", "7B parameters", "int6", "2x slower.", "language model",
    "costs +0.014 bpb.", "Code is available.", "custom CUDA kernels", "20 min training", "pip install spacy.",
    "does not gain 0.02 bpb.", "\n",
]  # fmt: skip
items = st.builds(
    lambda title, text: item(" ".join(text), " ".join(title)),
    st.lists(st.sampled_from(PIECES), max_size=2),
    st.lists(st.sampled_from(PIECES), max_size=8),
)
failures = st.builds(
    lambda ids, words: failed(*ids, description=" ".join(words)),
    st.lists(st.sampled_from(TECHNIQUES), max_size=3, unique=True),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=3),
)
standings = st.builds(
    lambda rows, ids, tried, best, rivals: known(
        failed=rows,
        proven=[*known().proven, *ids],
        tried=tried,
        best_bpb=best,
        competitors=[competitor()] * rivals,
    ),
    st.lists(failures, max_size=4),
    st.lists(st.sampled_from(TECHNIQUES), max_size=3, unique=True),
    st.lists(st.sampled_from(TECHNIQUES), max_size=3, unique=True),
    st.none() | st.floats(1.0, 1.2),
    st.integers(0, 1),
)
law = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@law
@given(items, standings)
def test_s39_the_total_is_the_sum_of_its_dimensions_or_a_hard_zero(read: Item, standing: Standing) -> None:
    graded = grader.grade(read, standing, NOW)
    total = sum(getattr(graded, name) for name in rubric.DIMENSIONS) + (graded.competitor_validated or 0)
    assert graded.total == (0 if graded.ruled_out else total)
    assert (graded.competitor_validated is None) == (not standing.competitors)


@law
@given(items, standings, failures)
def test_s57_one_more_failed_row_never_raises_a_grade(read: Item, standing: Standing, more: Failed) -> None:
    worse = standing.model_copy(update={"failed": [*standing.failed, more]})
    assert grader.grade(read, worse, NOW).total <= grader.grade(read, standing, NOW).total


@law
@given(items, standings, st.sampled_from(TECHNIQUES))
def test_s47_one_more_proven_technique_never_makes_anything_more_novel(
    read: Item, standing: Standing, more: str
) -> None:
    proven = standing.model_copy(update={"proven": [*standing.proven, more]})
    assert grader.grade(read, proven, NOW).novelty <= grader.grade(read, standing, NOW).novelty


@law
@given(items, standings, st.sampled_from(TECHNIQUES))
def test_one_more_technique_that_was_tried_never_makes_anything_more_novel(
    read: Item, standing: Standing, more: str
) -> None:
    tried = standing.model_copy(update={"tried": [*standing.tried, more]})
    assert grader.grade(read, tried, NOW).novelty <= grader.grade(read, standing, NOW).novelty


@law
@given(items, standings, st.floats(0.001, 0.3))
def test_a_lower_best_never_raises_a_grade(read: Item, standing: Standing, by: float) -> None:
    lower = standing.model_copy(update={"best_bpb": (standing.bar_bpb or 0) - by})
    assert grader.grade(read, lower, NOW).total <= grader.grade(read, standing, NOW).total


def test_more_parameters_or_bits_never_fit_better() -> None:
    def size(params: str, bits: str) -> int:
        return grader.grade(item(f"SmearGate with {params} parameters in {bits}"), known(), NOW).size_compatibility

    for left, right in pairwise(["1M", "10M", "20M", "30M", "100M", "1B", "70B"]):
        assert size(left, "int8") >= size(right, "int8")
    for left, right in pairwise(["1 bit", "ternary", "int2", "int4", "int6", "int8", "fp16", "fp32"]):
        assert size("30M", left) >= size("30M", right)
    assert (size("1M", "int8"), size("1B", "int8")) == (3, 0)


def test_what_saves_bytes_is_not_held_to_the_model_it_was_shown_on() -> None:
    graded = grader.grade(item("GPTQ on 70B parameters", "GPTQ"), known(), NOW)
    assert graded.size_compatibility == 2


@given(st.text(max_size=400), st.text(max_size=60))
def test_any_text_has_a_grade_in_one_printable_reason(text: str, title: str) -> None:
    graded = grader.grade(item(text, title), known(), NOW)
    assert graded.reason.isprintable()
    assert graded.title.strip()
