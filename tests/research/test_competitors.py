"""A competitor is believed when nothing speaks against it, and only such a one is a target."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from offence import OFFENCE, rule_invalid
from toy_folder import README, case_of, log_of

from golf import rules
from golf.play import bulletin as submissions_bulletin
from golf.play import ledger
from golf.referee import judging
from golf.referee.field import Field
from golf.referee.survey import Placed
from golf.referee.survey import survey as see
from golf.research import blocks, bulletin, competitors
from golf.research.nouns import Competitor, Item
from golf.rulings import Evidence, Finding, Ruling, RulingVerdict, Submission, SubmittedSeed
from golf.schema import Row
from golf.workspace import Workspace

NOTHING = dict.fromkeys(("val_loss", "artifact_bytes", "code_bytes", "train_time_s", "eval_time_s", "steps"))


def finding(severity: str, text: str = "it does", code: str = "EVIDENCE_WEAK") -> Finding:
    line = Evidence(file="train_gpt.py", line=3, quote="x = 1")
    return Finding.model_validate(
        {"code": code, "severity": severity, "confidence": 0.9, "text": text, "evidence": [line], "rule": "r",
         "clears": "c"}
    )  # fmt: skip


def placed(
    name: str = "2026-04-01_x", scores: Sequence[float] = (1.1, 1.1, 1.1), verdict: RulingVerdict = "clear",
    findings: Sequence[Finding] | None = None, **said: Any,
) -> Placed:  # fmt: skip
    due = {"block": [finding("block")], "review": [finding("flag")], "clear": []}[verdict]
    facts: dict[str, Any] = {
        "folder": name.rpartition("/")[2].rpartition(" ")[2],
        "track": "10min_16mb",
        "seeds": [
            SubmittedSeed(log=f"{number}.log", seed=number, val_bpb=score, **NOTHING)
            for number, score in enumerate(scores)
        ],
        "val_bpb": sum(scores) / len(scores) if scores else None,
        "artifact_bytes": 15_900_000,
    }
    ruled = Ruling(
        submission=Submission.model_validate(facts | said),
        verdict=verdict,
        reason="the reason",
        findings=list(due if findings is None else findings),
        examined=["code"],
        techniques=["xsa"],
    )
    return Placed(name, judging.Judged(ruling=ruled, sightings=[], sketch=None))


def field(*found: Placed) -> Field:
    return see(found, "here")


def only(found: Placed) -> Competitor:
    (one,) = competitors.from_field(field(found), rules.PARAMETER_GOLF, "openai/parameter-golf")
    return one


def test_a_clear_and_logged_submission_is_believed_with_mean_spread_and_distance() -> None:
    one = only(
        placed(
            "#74 records/track_10min_16mb/2026-04-01_x", (1.1, 1.11, 1.12), pr=74, github_id="ann", val_bpb_std=0.01,
            claimed_val_bpb=1.11, parents=["#7", "2026-03-17_NaiveBaseline"], date="2026-04-01",
        )
    )  # fmt: skip
    assert (one.is_credible, one.doubts, one.num_seeds, one.std_bpb) == (True, [], 3, 0.01)
    assert one.val_bpb == pytest.approx(1.11) and one.delta_from_baseline == pytest.approx(1.11 - 1.2244)
    assert (one.name, one.number, one.author, one.techniques) == ("PR #74", 74, "ann", ["xsa"])
    assert one.url == "https://github.com/openai/parameter-golf/pull/74"
    assert one.published_at == datetime(2026, 4, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "doubt"),
    [
        ({"verdict": "block"}, "blocked: the reason"),
        ({"verdict": "review"}, "a person must look: the reason"),
        ({"scores": (), "claimed_val_bpb": 0.9}, "no log gives its score"),
        ({"scores": ()}, "it states no score"),
        ({"scores": (1.1, 1.1)}, "2 seeds are logged, and 3 are needed"),
        ({"scores": (1.1,), "track": None}, "1 seed is logged, and 3 are needed"),
        ({"scores": (1.1,), "track": "non_record_16mb"}, "1 seed is logged, and 2 are needed"),
        ({"track": "non_record_16mb"}, "not on the record track"),
        ({"claimed_val_bpb": 1.09}, "it claims 1.0900, and its 3 logs give 1.1000 on average"),
        ({"artifact_bytes": None}, "its artifact's size is not known"),
        ({"artifact_bytes": 16_000_001}, "its artifact has 16,000,001 bytes, over 16,000,000"),
        ({"claimed_bytes": 17_000_000}, "its artifact has 17,000,000 bytes, over 16,000,000"),
    ],
)
def test_what_speaks_against_a_number_is_said_in_words(said: dict[str, Any], doubt: str) -> None:
    one = only(placed(**said))
    assert doubt in one.doubts and not one.is_credible


@pytest.mark.parametrize(
    "said",
    [{"artifact_bytes": 16_000_000}, {"artifact_bytes": None, "claimed_bytes": 1_000_000}, {"claimed_val_bpb": 1.099}],
)
def test_what_is_within_the_rules_raises_no_doubt(said: dict[str, Any]) -> None:
    assert only(placed(**said)).doubts == []


def test_limits_that_are_met_only_as_the_rules_count_are_noted_and_not_doubted() -> None:
    notes = [
        finding("note", "16,033,980 bytes as shipped", "SIZE_OVER"),
        finding("note", "604.3 s with calibration", "TIME_OVER_TRAIN"),
        finding("note", "a comment", "EVIDENCE_WEAK"),
        finding("note", "x" * 500, "TIME_OVER_EVAL"),
    ]
    one = only(placed(findings=notes))
    assert one.is_credible
    assert one.notes == ["SIZE_OVER: 16,033,980 bytes as shipped", "TIME_OVER_TRAIN: 604.3 s with calibration"]
    assert len(only(placed(findings=notes[-1:])).notes[0]) <= competitors.NOTE_CHARS
    assert only(placed(verdict="review", findings=[finding("flag", code="SIZE_OVER")])).notes == []


def rival(name: str, val_bpb: float | None, is_credible: bool) -> Competitor:
    return Competitor(name=name, val_bpb=val_bpb, is_credible=is_credible, doubts=[] if is_credible else ["a doubt"])


def test_the_credible_best_is_the_target_and_a_lower_number_is_shown_as_not_believed() -> None:
    found = competitors.from_field(
        field(placed("a", (0.3,) * 3, "block"), placed("b", (1.1,) * 3), placed("c", (1.2,) * 3), placed("d", (1.15,))),
        rules.PARAMETER_GOLF,
    )
    assert [one.name for one in found] == ["a", "b", "d", "c"]
    best = competitors.credible_best(found)
    assert best is not None and best.name == "b"
    assert [one.name for one in competitors.incredible_ahead(found)] == ["a"]
    assert "no: blocked: the reason" in blocks.competitor_table(found)


@given(st.lists(st.tuples(st.none() | st.floats(0.1, 3), st.booleans()), max_size=12), st.none() | st.floats(0.1, 3))
def test_the_target_is_never_a_number_that_is_not_believed(
    rows: list[tuple[float | None, bool]], own: float | None
) -> None:
    found = [rival(f"{number}", score, is_credible) for number, (score, is_credible) in enumerate(rows)]
    best, target = competitors.credible_best(found), competitors.target_bpb(own, found)
    believed = [score for score, is_credible in rows if score is not None and is_credible]
    assert (best.val_bpb if best else None) == min(believed, default=None)
    assert target == min([*believed, *([own] if own is not None else [])], default=None)
    assert competitors.target_bpb(own, [one for one in found if not one.is_credible]) == own


def test_two_folders_of_one_pull_request_have_names_of_their_own() -> None:
    found = competitors.from_field(
        field(placed("#7 records/a", pr=7), placed("#7 records/b", pr=7), placed("records/c", pr=7)),
        rules.PARAMETER_GOLF,
    )
    assert sorted(one.name for one in found) == ["PR #7 a", "PR #7 b", "records/c"]


# --- S114: provenance

SCRIPT = f"""
import torch
import torch.nn.functional as F
{OFFENCE}

if __name__ == "__main__":
    adapt(torch.nn.Linear(2, 2), [], 0.1)
"""


def test_s114_the_parent_is_recorded_and_lines_that_were_ruled_invalid_are_a_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule_invalid(monkeypatch)
    case_of(tmp_path / "copy", readme=f"{README}\nBuilt on PR #7 by bob.\n", script=SCRIPT.replace("losses", "kept"))
    case_of(tmp_path / "other", readme=f"{README}\nBuilt on PR #8.\n", script=SCRIPT.split("def adapt")[0])
    seen = field(*[Placed(name, judging.judge(tmp_path / name)) for name in ("copy", "other")])
    found = {one.name: one for one in competitors.from_field(seen, rules.PARAMETER_GOLF)}
    assert (found["copy"].parents, found["other"].parents) == (["#7"], ["#8"])
    assert not found["copy"].is_credible
    assert any("#7 was ruled invalid under TTT_TRAIN_THEN_SCORE" in doubt for doubt in found["copy"].doubts)
    assert not any("ruled invalid" in doubt for doubt in found["other"].doubts)


def test_s114_the_resemblance_is_told_also_behind_a_worse_finding_and_a_dead_copy_is_none() -> None:
    alike = finding("flag", "has the lines for which #7 was ruled invalid", "RESEMBLES_INVALID")
    worse = only(placed(verdict="block", findings=[finding("block"), alike]))
    assert worse.doubts[:2] == ["blocked: the reason", "known invalid: has the lines for which #7 was ruled invalid"]
    dead = finding("note", "has the lines, and does not run them", "RESEMBLES_INVALID")
    assert only(placed(findings=[dead])).is_credible


# --- S113: live updates


def test_s113_live_updates_are_made_from_the_ledger_and_the_competitors(workspace: Workspace) -> None:
    for number in range(10):
        row = Row(
            commit=f"c{number}", tier="runpod", val_bpb=1.2 - number / 100, artifact_bytes=1, memory_gb=1.0,
            status="keep", promoted="no", cost_usd=3.5, description=f"idea {number}",
        )  # fmt: skip
        ledger.append(workspace.ledger, row)
    found = competitors.from_field(
        field(placed("a", (0.3,) * 3, "block"), placed("b", (1.1,) * 3, parents=["#7"])), rules.PARAMETER_GOLF
    )
    page = bulletin.bulletin(ledger.read(workspace.ledger), found, 1.11, "2026-05-01")
    for line in (
        "# Live updates, 2026-05-01",
        'To beat: 1.1000 bpb. Ours: 1.1100. Credible best: 1.1000 (3 seeds) by "b".',
        "## Our last runs, of 10",
        '- 1.1100, keep, $3.50, c9 on runpod: "idea 9"',
        '- 0.3000 (3 seeds) "a": "blocked: the reason"',
        '- "b" builds on #7',
    ):
        assert line in page.splitlines(), line
    assert '"idea 1"' not in page and '"idea 2"' in page
    empty = bulletin.bulletin([], [], None, "2026-05-01")
    assert "To beat: nothing yet" in empty and "No run yet." in empty and "not believed" not in empty


def submissions(folder: Path) -> None:
    """Two record folders with three logs each; the second is over the size limit."""
    for name, total in (("2026-04-01_fits", 15_900_000), ("2026-04-02_over", 16_100_000)):
        logs = {f"train_seed{seed}.log": log_of(bpb=1.2 + seed / 10_000, total=total, seed=seed) for seed in (1, 2, 3)}
        table = {"author": "ann", "val_bpb": 1.2002, "bytes_total": total, "date": name[:10]}
        script = "import torch\n\nprint(torch.ones(1))\n"
        case_of(folder / "track_10min_16mb" / name, table=table, logs=logs, script=script)


def test_s113_record_folders_become_competitors_and_the_bulletin_of_submissions_keeps_its_news(
    workspace: Workspace, tmp_path: Path
) -> None:
    submissions(tmp_path / "records")
    told: list[tuple[int, int]] = []
    found = competitors.survey(workspace, tmp_path / "records", on_progress=lambda *done: told.append(done))
    assert {one.name.rpartition("/")[2]: one.val_bpb for one in found} == pytest.approx(
        {"2026-04-01_fits": 1.2002, "2026-04-02_over": 1.2002}
    )
    assert all(one.num_seeds == 3 and one.std_bpb == pytest.approx(0.0001) for one in found)
    over = next(one for one in found if one.name.endswith("over"))
    assert any("16,100,000 bytes" in doubt for doubt in over.doubts) and told[-1] == (2, 2)
    first = submissions_bulletin.post(workspace, tmp_path / "records")
    assert first.page is not None
    page = (workspace.root / first.page).read_text()
    assert "live updates" in page and "2026-04-02_over" in page and "Since the last run" not in page
    again = competitors.survey(workspace, tmp_path / "records", on_progress=lambda *done: told.append(done))
    assert again == found and told[-1] == (2, 2) and told.count((0, 2)) == 1  # taken from the index


# --- known by their text alone


def item(text: str, number: str = "74") -> Item:
    return Item(
        id=f"github:openai/parameter-golf#{number}", source="github_pulls", title="Wider MLP", text=text,
        url=f"https://github.com/openai/parameter-golf/pull/{number}", authors=["ann"],
        fetched_at=datetime(2026, 4, 1, tzinfo=UTC), details={"number": number},
    )  # fmt: skip


def test_a_pull_request_known_by_its_text_is_never_believed() -> None:
    one = competitors.from_item(item("3-seed mean val_bpb: 1.1000 ± 0.0003 with EMA"), rules.NAIVE_BASELINE_BPB)
    assert one is not None and not one.is_credible and one.doubts == ["only its text was read, no log"]
    assert (one.name, one.number, one.val_bpb, one.std_bpb, one.num_seeds) == ("PR #74", 74, 1.1, 0.0003, 3)
    assert "ema" in one.techniques and one.delta_from_baseline == pytest.approx(-0.1244)
    assert competitors.from_item(item("Nothing is said of a score"), rules.NAIVE_BASELINE_BPB) is None


def test_what_the_referee_judged_outranks_what_a_text_tells() -> None:
    judged = rival("PR #74", 1.1, True).model_copy(update={"number": 74})
    told = [
        competitors.from_item(item(f"val_bpb: {score}", number), None)
        for score, number in (("1.0500", "74"), ("1.0700", "75"))
    ]
    found = competitors.merged([judged], [one for one in told if one is not None])
    assert [(one.name, one.val_bpb) for one in found] == [("PR #75", 1.07), ("PR #74", 1.1)]
