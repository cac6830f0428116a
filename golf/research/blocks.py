"""What the sections of `program.md` say, each within its budget: too much context is worse than too little.

A block takes whole items from the best one on until the next would not fit, and says how many it leaves out. Words of
strangers stand on one line in quotes, cut, without the signs that Markdown or HTML would act on.

Source of the numbers: "Parameter Golf Auto Research" (2026-03-27), what is injected into program.md every six hours.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence

from golf.research import foreign
from golf.research.nouns import Competitor, Graded, Verified
from golf.research.sections import Sections
from golf.schema import Row

RESEARCH_ITEMS = 12
RESEARCH_CHARS_MAX = 12_000
"""3,000 tokens of 4 characters."""
HISTORY_RUNS = 8
HISTORY_CHARS_MAX = 4_000
VERIFIED_ITEMS = 5
VERIFIED_CHARS_MAX = 6_000
COMPETITOR_ROWS = 12
"""Ours, like the characters of the three blocks that the published loop does not limit."""
DOUBTED_ROWS = 4
"""Of these rows at most, those of competitors below the credible best that are not believed."""
COMPETITORS_CHARS_MAX = 6_000

TITLE_CHARS = 200
REASON_CHARS = 900
BRIEF_CHARS = 900
CELL_CHARS = 120

_INERT = str.maketrans({"<": "‹", ">": "›", "|": "¦", "`": "'", '"': "'", "[": "(", "]": ")"})
"""No tag or comment, no cell, no code span, no end of the quotes, no link or picture."""


def blocks(
    graded: Sequence[Graded], rows: Sequence[Row], competitors: Sequence[Competitor], verified: Sequence[Verified]
) -> Sections:
    """The four sections; `rows` are the ledger's, and all are oldest first."""
    return Sections(
        research=research(graded),
        history=history(rows),
        competitors=competitor_table(competitors),
        verified=verified_briefs(verified),
    )


def best_graded(graded: Iterable[Graded]) -> list[Graded]:
    """Each item once, by the grade that counts, the highest total first; what either grader rules out is left out."""
    allowed = [one for one in counting(graded) if not one.ruled_out and one.total > 0]
    return sorted(allowed, key=lambda one: (-one.total, one.item_id))


def counting(graded: Iterable[Graded]) -> list[Graded]:
    """The grade that counts of each item: of the last one of either grader the more cautious.

    So a failure here, which the rules see, lowers what Codex praised, and Codex's doubt what the rules could not read.
    The last is the last in the order given: a clock may have been ahead.
    """
    opinions: dict[str, dict[str, Graded]] = {}
    for one in graded:
        opinions.setdefault(one.item_id, {})[one.graded_by] = one
    return [min(both.values(), key=lambda one: (not one.ruled_out, one.total)) for both in opinions.values()]


def best_verified(verified: Iterable[Verified]) -> list[Verified]:
    """Each item once, by the last record in the order given, the highest total first."""
    newest = {one.item_id: one for one in verified}
    return sorted(newest.values(), key=lambda one: (-one.after, one.item_id))


def notable(competitors: Iterable[Competitor]) -> list[Competitor]:
    """Those with a score: the credible ones, then those that would be ahead of them all if they were believed."""
    scored = sorted((one for one in competitors if one.val_bpb is not None), key=lambda one: (one.val_bpb, one.name))
    credible = [one for one in scored if one.is_credible]
    bar = credible[0].val_bpb if credible else None
    ahead = [one for one in scored if not one.is_credible and (bar is None or (one.val_bpb or 0.0) < bar)]
    return credible[: COMPETITOR_ROWS - min(DOUBTED_ROWS, len(ahead))] + ahead[:DOUBTED_ROWS]


def research(graded: Sequence[Graded]) -> str:
    """The 12 best items in at most 12,000 characters."""
    found = best_graded(graded)
    items = map(_researched, itertools.count(1), found[:RESEARCH_ITEMS])
    return fitted("", [*items], len(found), RESEARCH_CHARS_MAX) or "Nothing that was read is worth trying yet."


def history(rows: Sequence[Row]) -> str:
    """The last 8 runs, oldest first; always all of them."""
    if not rows:
        return "No run yet."
    last = rows[-HISTORY_RUNS:]
    return fitted("", [_run(row) for row in last], len(last), HISTORY_CHARS_MAX)


def competitor_table(competitors: Sequence[Competitor]) -> str:
    """A Markdown table: the best credible ones, then those ahead of them that are not believed, and why."""
    found = notable(competitors)
    if not found:
        return "No competitor's score is known."
    head = "| submission | val_bpb | to baseline | techniques | builds on | believed |\n|" + " --- |" * 6
    return fitted(head, [_row(one) for one in found], len(competitors), COMPETITORS_CHARS_MAX)


def verified_briefs(verified: Sequence[Verified]) -> str:
    """The 5 best verified items: what reading them in full did to their total, and how to build them."""
    found = best_verified(verified)
    items = map(_checked, itertools.count(1), found[:VERIFIED_ITEMS])
    return fitted("", [*items], len(found), VERIFIED_CHARS_MAX) or "Nothing was read in full yet."


def fitted(head: str, items: Sequence[str], total: int, most: int, size: Callable[[str], int] = len) -> str:
    """`head` and as many whole items, from the first on, as stay within `most`, with a word on those left out.

    Args:
        head: Stands above, whatever is left out.
        items: In order of their worth.
        total: How many there are, those included that no one offers.
        most: The budget, in what `size` counts.
        size: Of a text: characters, or bytes.
    """
    for kept in range(len(items), -1, -1):
        left = total - kept
        parts = [*([head] if head else []), *items[:kept], *([f"\n{left} more left out."] if left else [])]
        text = "\n".join(parts).strip("\n")
        if size(text) <= most:
            return text
    return ""


def quoted(words: str, chars_max: int) -> str:
    """Strangers' words on one line in quotes, without what Markdown acts on; at most `chars_max` and two quotes."""
    return f'"{inert(words, chars_max)}"'


def inert(words: str, chars_max: int) -> str:
    """As `quoted`, bare: for names and addresses."""
    return foreign.line(words, chars_max).translate(_INERT)


def bpb(value: float | None) -> str:
    """A score in bits per byte with four digits; of absurd ones the first."""
    if value is None:
        return "no val_bpb"
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.3g}"


def change(verified: Verified) -> str:
    """Its total before and after it was read in full."""
    return f"{verified.before} → {verified.after}"


def scored(one: Competitor) -> str:
    """A competitor's score with its spread and seeds."""
    spread = "" if one.std_bpb is None else f" ± {bpb(one.std_bpb)}"
    seeds = f"{one.num_seeds} seed{'s' * (one.num_seeds != 1)}" if one.num_seeds else "claimed"
    return f"{bpb(one.val_bpb)}{spread} ({seeds})"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names of the catalogue, or of submissions, the first few."""
    return ", ".join(inert(name, 40) for name in names[:most]) + ("…" if len(names) > most else "") or "-"


def _researched(number: int, one: Graded) -> str:
    grades = f"bpb {one.bpb_impact}/3, size {one.size_compatibility}/3, time {one.time_compatibility}/2"
    grades += f", build {one.implementability}/4, novelty {one.novelty}/3"
    of = 15
    if one.competitor_validated is not None:
        grades, of = f"{grades}, competitors {one.competitor_validated}/2", 17
    where = inert(one.url or one.item_id, 300)
    return (
        f"{number}. **{one.tier} {one.total}/{of}** {quoted(one.title, TITLE_CHARS)} {where}\n"
        f"   - {grades}; techniques: {listed(one.techniques)}\n"
        f"   - {quoted(one.reason, REASON_CHARS)}"
    )


def _run(row: Row) -> str:
    promoted = "" if row.promoted == "no" else f", promoted: {row.promoted}"
    cost = f"${row.cost_usd:.2f}" if abs(row.cost_usd) < 1e9 else f"${row.cost_usd:.3g}"
    return (
        f"- {bpb(row.val_bpb)}, {row.status}{promoted}, {cost}, {inert(row.commit, 40)} on {inert(row.tier, 40)}: "
        f"{quoted(row.description, 240)}"
    )


def _row(one: Competitor) -> str:
    delta = "-" if one.delta_from_baseline is None else f"{one.delta_from_baseline:+.4f}"[:12]
    believed = "yes" if one.is_credible else f"no: {inert('; '.join(one.doubts), 2 * CELL_CHARS) or 'not said why'}"
    name = inert(one.name, CELL_CHARS) + (f" by {inert(one.author, 40)}" if one.author else "")
    cells = (name, scored(one), delta, listed(one.techniques), listed(one.parents, 3), believed)
    return f"| {' | '.join(cells)} |"


def _checked(number: int, one: Verified) -> str:
    sources = ", ".join(inert(source, 120) for source in one.sources[:3])
    return (
        f"{number}. **{change(one)}** {quoted(one.title, TITLE_CHARS)} {inert(one.url or one.item_id, 200)}\n"
        f"   - held against: {sources}{'…' if len(one.sources) > 3 else ''}\n"
        f"   - {quoted(one.brief, BRIEF_CHARS)}"
    )
