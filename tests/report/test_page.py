"""The report is compared whole, and what a Markdown reader makes of hostile text is read back with a real one."""

import html
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from golf.report import page
from golf.report.words import clean
from golf.schema import Experiment, Result

HOSTILE = (
    "| `x` | **b** <script>alert(1)</script> [l](http://evil) ![i](http://evil) $a$ ~~s~~ &amp; \\ www.evil.com\n# h"
)
"""Everything Markdown or HTML would act on, with a line break."""

GOLDEN = """\
# 2026-11-20_wide

- Hypothesis: A wider embedding helps at this size
- Expected outcome: 0.05 BPB below the baseline
- Rollback criteria: no gain after 300 steps
- Parent: 2026-11-20_baseline
- Techniques: wide embedding

|  |  |
| --- | --- |
| verdict | keep; promoted: no |
| reason | better than the baseline, not by enough |
| val_bpb | 2.212500 ± 0.003536 (mean and standard deviation of 2 seeds) |
| baseline | 2026-11-20_baseline, val_bpb 2.282100 |
| improvement | +3.050% |
| artifact_bytes | 4,512,001 |
| headroom | 11,487,999 (OK) |
| train_time_s | 122.5 |
| eval_time_s | 8.0 |
| memory_gb | 0.81 |
| cost_usd | 0.00 |
| tier | local |
| finished_at | 2026-11-20T12:00:00+00:00 |

![Validation bits per byte over training](loss.png)

## Seeds

| seed | val_bpb | last in training | artifact_bytes | train_time_s | eval_time_s | steps | log |
| --- | --- | --- | --- | --- | --- | --- | --- |
| 1337 | 2.210000 | 2.200000 | 4,512,001 | 61.2 | 4.0 | 300 | seed1337.log |
| 42 | 2.215000 | - | 4,512,001 | 61.2 | 4.0 | 300 | seed42.log |

`val_bpb`: measured by Caddie on the artifact after its compressed round trip.
`last in training`: the trainer's last validation before compression.

## Gates

| gate | verdict | value | limit | reason |
| --- | --- | --- | --- | --- |
| size | pass | 4,512,001 | 16,000,000 | within the limit |
| gain | FAIL | 0.0299 | 0.03 | 2.99 % is below 3 % |
| noise | unknown | - | - | the baseline has one seed |

Seed noise: standard deviation 0.004000 over 2 baseline seeds; a gain below 0.025300 is noise.
Code lines against the parent: -3.

## Compressors on the same text

| compressor | val_bpb | this experiment is |
| --- | --- | --- |
| unigram | 4.410000 | below |
| gzip | 2.930000 | below |
| zstd | 2.510000 | below |
| lzma | 2.490000 | below |

## Settings

```
DATA_PATH=data/datasets/pydoc_sp1024
ITERATIONS=300
```

## Reproduce

```sh
git show 0123abc
golf run 2026-11-20_wide --again
golf check-promotion 2026-11-20_wide
```

Run id: r1.

## Limits

- Scored on pydocs_sp1024, not FineWeb: val_bpb does not compare with the FineWeb leaderboard.
- Tier local, at most 122.5 s of training per seed; the challenge allows 600 s on 8×H100.
- subset: first 32768 of 400000 tokens
"""


def rendered(markdown: str) -> str:
    return MarkdownIt("commonmark").enable("table").enable("strikethrough").render(markdown)


def words_of(shown: str) -> str:
    return html.unescape(re.sub("<[^>]*>", "", shown))


def test_the_report_is_exactly_this(tmp_path: Path, experiment: Experiment, result: Result):
    curves = {"seed 1337": [(0.0, 4.9), (61.0, 2.2)]}
    path = page.write_report(tmp_path, experiment, result, "loss.png", curves, data="pydocs_sp1024")
    assert path == tmp_path / "report.md"
    assert path.read_text(encoding="utf-8") == GOLDEN
    page.write_report(tmp_path, experiment, result, "loss.png", curves, data="pydocs_sp1024")
    assert path.read_text(encoding="utf-8") == GOLDEN


def test_a_markdown_reader_sees_its_tables_picture_and_commands():
    shown = rendered(GOLDEN)
    assert shown.count("<table>") == 4
    assert 'src="loss.png"' in shown
    assert shown.count("<h2>") == 6
    assert "golf run 2026-11-20_wide --again" in shown
    assert "FAIL" in shown


def test_hostile_text_stays_the_words_it_is_everywhere(tmp_path: Path, experiment: Experiment, result: Result):
    promotion = result.promotion
    assert promotion is not None
    bad_gate = promotion.gates[0].model_copy(update={"name": HOSTILE, "reason": HOSTILE})
    bad = result.model_copy(
        update={
            "experiment": HOSTILE,
            "commit": HOSTILE,
            "error": HOSTILE,
            "notes": [HOSTILE, "- a list?", "1. numbered?", "> quoted?", "---"],
            "settings": {"A": "```\n# out of the fence", "B": HOSTILE},
            "reference_bpb": {HOSTILE: 2.0},
            "seeds": [result.seeds[0].model_copy(update={"log": HOSTILE})],
            "promotion": promotion.model_copy(update={"reason": HOSTILE, "baseline": HOSTILE, "gates": [bad_gate]}),
        }
    )
    claimed = experiment.model_copy(update={"hypothesis": HOSTILE, "parent": HOSTILE, "techniques": [HOSTILE]})
    text = page.write_report(tmp_path, claimed, bad, "", data=HOSTILE).read_text(encoding="utf-8")
    shown = rendered(text)
    for tag in ("<script", "<a ", "<img", "<strong", "<s>", "<blockquote", "<ol", "<hr"):
        assert tag not in shown
    assert shown.count("<table>") == 4
    assert shown.count("<h1>") == 1
    assert shown.count("<h2>") == 6
    assert shown.count("<pre>") == 2
    assert shown.count("<ul>") == 2
    assert words_of(shown).count(clean(HOSTILE)) == 17


@given(st.text(st.characters(categories=None, exclude_categories=("Cs",))))
def test_any_text_in_a_cell_and_in_a_list_reads_as_itself(text: str):
    cell = rendered(f"| a | b |\n| --- | --- |\n| {page.escape(text)} | end |\n")
    assert [words_of(part) for part in re.findall("<td>(.*?)</td>", cell)] == [clean(text), "end"]
    item = rendered(f"- Hypothesis: {page.escape(text)}\n")
    assert words_of(item).strip() == f"Hypothesis: {clean(text)}".strip()


@given(st.lists(st.text("`~a# \n"), max_size=4))
def test_no_line_leaves_its_fence(lines: list[str]):
    shown = rendered(page.fenced(lines) + "\n\nafter")
    assert shown.endswith("</code></pre>\n<p>after</p>\n")
    assert shown.count("<p>") == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "The data is not recorded here"),
        ("pydocs_sp1024", "Scored on pydocs_sp1024, not FineWeb"),
        ("fineweb10B_sp1024", None),
    ],
)
def test_the_limits_say_what_the_score_may_be_compared_with(
    tmp_path: Path, experiment: Experiment, result: Result, data: str | None, said: str | None
):
    limits = page.write_report(tmp_path, experiment, result, data=data).read_text().split("## Limits")[1]
    assert "subset: first 32768 of 400000 tokens" in limits
    assert "the challenge allows 600 s on 8×H100" in limits
    assert (said or "Scored on") in limits if said else "FineWeb" not in limits


def test_one_seed_and_no_promotion_are_stated_rather_than_filled_in(
    tmp_path: Path, experiment: Experiment, result: Result
):
    crashed = result.model_copy(
        update={
            "status": "crash",
            "val_bpb": None,
            "val_bpb_std": None,
            "artifact_bytes": None,
            "headroom_bytes": None,
            "train_time_s": None,
            "seeds": [],
            "promotion": None,
            "reference_bpb": {},
            "error": "out of memory",
        }
    )
    text = page.write_report(tmp_path, experiment, crashed).read_text(encoding="utf-8")
    assert "| verdict | crash; promoted: no |" in text
    assert "| error | out of memory |" in text
    assert "| val_bpb | - |" in text
    assert "## Gates" not in text
    assert "![" not in text
    single = result.model_copy(update={"seeds": result.seeds[:1], "val_bpb_std": None})
    text = page.write_report(tmp_path, experiment, single).read_text(encoding="utf-8")
    assert "One seed: the spread between seeds is not measured" in text
    assert "±" not in text


def test_an_artifact_over_the_limit_says_so_in_words(tmp_path: Path, experiment: Experiment, result: Result):
    over = result.model_copy(update={"headroom_bytes": -1})
    assert "| headroom | -1 (OVER LIMIT) |" in page.write_report(tmp_path, experiment, over).read_text(encoding="utf-8")
