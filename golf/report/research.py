"""How research's nouns are shown; titles and names are strangers' and cleaned by the writer."""

from typing import Any

from golf.report import render
from golf.report.render import Fact, Table, View
from golf.research import rubric
from golf.research.frontier import Coverage
from golf.research.grades import Opinions
from golf.research.leaderboard import Leaderboard, Place
from golf.research.loop import Closed, Injected, Turn
from golf.research.nouns import Competitor, Graded, Verified
from golf.research.outlook import Outlook
from golf.research.refresh import Heading, Refreshed
from golf.research.schedule import Health
from golf.research.second_opinion import Judged


@render.view.register
def _(noun: Refreshed) -> View:
    visited = [one for one in noun.sources if one.state in ("ok", "failed")]
    return View(
        "research",
        [
            Fact("found", noun.found),
            Fact("new", noun.new),
            Fact("sources", f"{sum(one.state == 'ok' for one in visited)} of {len(visited)} visited ones answered"),
            *[Fact(one.name, _health(one)) for one in noun.sources if one.error],
            *(_closed(noun.closed) if isinstance(noun, Turn) else []),
        ],
    )


def _health(one: Health) -> str:
    due = f"; next at {one.next_due_at:%m-%d %H:%M} UTC" if one.next_due_at and one.state != "off" else ""
    return f"{one.state.replace('_', ' ')}: {one.error}{due}"


@render.row.register
def _(noun: Heading) -> dict[str, Any]:
    day = None if noun.published_at is None else noun.published_at.date().isoformat()
    return {"id": noun.id, "source": noun.source, "published": day, "title": noun.title}


@render.view.register
def _(noun: Closed) -> View:
    taken = [Fact("taken", noun.taken)] if isinstance(noun, Judged) and noun.taken else []
    return View("research", [*taken, *_closed(noun)])


def _closed(noun: Closed) -> list[Fact | Table]:
    missing = "missing: golf research inject --begin makes one"
    return [
        Fact("graded", noun.graded),
        Fact("tiers", f"{noun.tier_a} A, {noun.tier_b} B"),
        Fact("target_bpb", noun.target_bpb),
        Table("best", ("id", "_tier", "total", "_title"), [(b.id, b.tier, b.total, b.title) for b in noun.best]),
        Fact("program.md", missing if noun.program == "missing" else noun.program),
    ]


@render.view.register
def _(noun: Injected) -> View:
    return View("program.md", [Fact(key, value) for key, value in dict(noun).items()])


@render.row.register
def _(noun: Opinions) -> dict[str, Any]:
    rules, codex = noun.rules, noun.codex
    return {
        "id": noun.item_id,
        "rules": _grade(rules),
        "codex": _grade(codex),
        "differ_in": ", ".join(f"{one.dimension} {one.rules}/{one.codex}" for one in noun.differences[:2]) or None,
        "title": noun.title,
    }


def _grade(one: Graded | None) -> str | None:
    if one is None:
        return None
    grades = "".join(str(getattr(one, name)) for name in rubric.DIMENSIONS)
    return f"{one.tier}{one.total} ({grades})" + (" ruled out" if one.ruled_out else "")


@render.row.register
def _(noun: Verified) -> dict[str, Any]:
    return {
        "id": noun.item_id,
        "before": noun.before,
        "after": noun.after,
        "sources": len(noun.sources),
        "title": noun.title,
        "reason": noun.brief,
    }


@render.row.register
def _(noun: Competitor) -> dict[str, Any]:
    return {
        "name": noun.name,
        "val_bpb": noun.val_bpb,
        "val_bpb_std": noun.std_bpb,
        "seeds": noun.num_seeds,
        "credible": "yes" if noun.is_credible else "no",
        "techniques": ", ".join(noun.techniques[:4]) or None,
        "reason": "; ".join([*noun.doubts, *noun.notes]) or None,
    }


@render.view.register
def _(noun: Leaderboard) -> View:
    columns = ("name", "val_bpb", "val_bpb_std", "seeds", "techniques")
    return View(
        "leaderboard",
        [
            Fact("target_bpb", noun.target_bpb),
            Fact("own_bpb", noun.own_bpb),
            Fact("baseline_bpb", noun.baseline_bpb),
            Fact("submissions", f"{noun.submissions}, {noun.scored} with a score, {noun.credible} credible"),
            Fact("surveyed", noun.surveyed),
            Table("credible", (*columns, "_note"), [_place(one) for one in noun.leaders]),
            Table("not believed", (*columns, "_reason"), [_place(one) for one in noun.doubted]),
            *([Fact("not_believed_in_all", noun.doubted_total)] if noun.doubted_total else []),
            *([Fact("lineage", " ← ".join(noun.lineage))] if noun.lineage else []),
            Fact("records", noun.records),
            *([Fact("median_gain_bpb", noun.median_gain_bpb)] if noun.records else []),
            Table(
                "record",
                ("day", "val_bpb", "gain_bpb", "_name"),
                [(one.day.isoformat(), one.val_bpb, one.gain_bpb, one.name) for one in noun.steps],
            ),
        ],
    )


def _place(one: Place) -> tuple[Any, ...]:
    said = one.doubt or one.note or None
    return one.name, one.val_bpb, one.std_bpb, one.num_seeds, ", ".join(one.techniques) or None, said


@render.view.register
def _(noun: Outlook) -> View:
    rows = [
        (
            number,
            one.family,
            one.track,
            ", ".join(one.techniques) or None,
            " ".join([one.reason, *([f"Failed: {'; '.join(one.failed)}."] if one.failed else [])]),
        )
        for number, one in enumerate(noun.steps, start=1)
    ]
    ratio = "none promoted yet" if noun.local_per_promoted is None else f"{noun.local_per_promoted:.1f}"
    return View(
        "next",
        [
            Table("", ("next", "family", "track", "techniques", "reason"), rows),
            *([Fact("left_to_a_person", noun.human_slots)] if noun.human_slots else []),
            *[Fact("warning", text) for text in noun.warnings],
            Fact("diversity", noun.diversity if noun.diversity is None else f"{noun.diversity:.2f}"),
            Fact("never_tried_here", ", ".join(noun.never_tried) or "none"),
            Fact("rests_on", f"{noun.own} own experiments, {noun.others} of others, {noun.items} things read"),
            Fact("local_per_promoted", ratio),
        ],
    )


@render.view.register
def _(noun: Coverage) -> View:
    return View(
        "coverage",
        [
            Table(
                "",
                ("family", "tries", "rounds_since", "wins", "best_gain_bpb", "spent_usd", "others", "read"),
                [
                    (one.family, one.tries, one.rounds_since, one.wins, one.best_gain_bpb, one.spent_usd,
                     one.tries_by_others, one.proposals)
                    for one in noun.families
                ],
            ),
            Fact("diversity", noun.diversity if noun.diversity is None else f"{noun.diversity:.2f}"),
            Fact("clustered_in", noun.clustered_in or "no family"),
            *[Fact("loop", f"{one.rule}: {one.reason}") for one in noun.loops],
        ],
    )  # fmt: skip
