"""The field as a page, "live updates" for people: what is new, who leads credibly, what is blocked and by which line.

Markdown. Whatever strangers wrote stands in code spans or with every sign escaped: it cannot link, mention, load a
picture or leave its cell.
"""

import re
from collections.abc import Iterable, Sequence

from golf.referee.field import Entry, Field, number_of
from golf.referee.kinship import COPY
from golf.referee.rulebook import RULES
from golf.referee.techniques import catalogue
from golf.rulings import Evidence, Finding

ROWS_MAX = 30
"""Of a table of submissions; the rest is counted, and is in the JSON."""

QUOTE_MAX = 120
"""Characters of a quote or a reason."""


def bulletin(field: Field, *, title: str = "Submissions", day: str | None = None) -> str:
    """The page; `day` is when it was made, `2026-05-01`."""
    sections = [
        _head(field, title, day),
        _news(field),
        *(_track(field, track) for track in sorted({_track_of(entry) for entry in field.entries}, key=str)),
        _blocks(field),
        _copies_of_blocked(field),
        _families(field),
        _weeks(field),
        _techniques(field),
    ]
    return "\n".join("\n".join(section) for section in sections if section).rstrip() + "\n"


def _head(field: Field, title: str, day: str | None) -> list[str]:
    verdicts = [entry.ruling.verdict for entry in field.entries]
    credible = sum(entry.standing == "credible" for entry in field.entries)
    return [
        f"# {text(title)}: live updates",
        "",
        f"{len(verdicts)} submissions{f' on {text(day)}' if day else ''}: **{verdicts.count('block')} blocked** under "
        f"a maintainer's rule with a line of evidence, {verdicts.count('review')} for a person to look at, "
        f"{verdicts.count('clear')} clear, {credible} of them with a credible score.",
        "",
        "Nothing here was run. Blocked means that the line below breaks the rule beside it, if it is what it seems: a "
        "person decides. Clear means that nothing was found in what was read.",
        "",
    ]


def _news(field: Field) -> list[str]:
    if field.changes is None:
        return []
    new = [entry for entry in field.entries if entry.name in set(field.changes.new)]
    lines = ["## Since the last run", ""]
    if not (new or field.changes.verdicts or field.changes.gone):
        return [*lines, "Nothing changed.", ""]
    lines += _table(
        ("new", "score", "verdict", "why"),
        [(code(entry.name), _score(entry), entry.ruling.verdict, text(entry.why)) for entry in new],
    )
    changed = [(code(name), text(change)) for name, change in field.changes.verdicts.items()]
    lines += _table(("judged anew", "verdict"), changed)
    if field.changes.gone:
        lines += [f"{len(field.changes.gone)} are there no more.", ""]
    return lines


def _track(field: Field, track: str | None) -> list[str]:
    name = code(track) if track else "no track named"
    leaders, contenders = field.leaders(track), field.contenders(track)
    lines = [f"## Credible leaderboard: {name}", ""]
    if not leaders:
        lines += ["No submission here is clear with enough logged seeds.", ""]
    rows = [
        (
            str(entry.rank),
            code(entry.name),
            code(entry.ruling.submission.author),
            _score(entry),
            _number(entry.ruling.submission.claimed_val_bpb),
            str(entry.rank_by_claim or "-"),
            code(entry.parents[0]) if entry.parents else "-",
        )
        for entry in leaders
    ]
    lines += _table(("rank", "submission", "author", "logged BPB", "claimed", "rank by claim", "builds on"), rows)
    if contenders:
        lines += ["Would lead if it stood, and needs a reader first:", ""]
        rows = [
            (code(entry.name), _score(entry), str(entry.rank_by_claim or "-"), entry.standing, text(entry.why))
            for entry in contenders
        ]
        lines += _table(("submission", "BPB", "rank by claim", "standing", "why"), rows)
    return lines


def _blocks(field: Field) -> list[str]:
    by_code: dict[str, list[tuple[Entry, Finding]]] = {}
    for entry in field.entries:
        for finding in entry.ruling.findings:
            if finding.severity == "block":
                by_code.setdefault(finding.code, []).append((entry, finding))
    lines = ["## Blocked", ""] if by_code else []
    for name, found in sorted(by_code.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        rule = RULES[found[0][1].code]
        lines += [f"### {name}: {len(found)}", "", f"{text(rule.rule)}. What clears it: {text(rule.clears)}.", ""]
        rows = [
            (code(entry.name), _score(entry), f"{finding.confidence:.2f}", _where(finding.evidence[0]))
            for entry, finding in found
        ]
        lines += _table(("submission", "BPB", "sure", "evidence"), rows)
    return lines


def _copies_of_blocked(field: Field) -> list[str]:
    rows = [
        (code(entry.name), entry.ruling.verdict, code(near.name), f"{near.similarity:.0%}")
        for entry in field.entries
        if (near := entry.nearest_blocked) is not None
    ]
    if not rows:
        return []
    return [
        "## Close to something blocked",
        "",
        f"Share {COPY:.0%} of their program with a blocked submission. That alone says nothing: a repaired one and its "
        "legal descendants are as close.",
        "",
        *_table(("submission", "verdict", "like", "in common"), rows),
    ]


def _families(field: Field) -> list[str]:
    if not field.families:
        return []
    rows = [
        (
            code(family.founder),
            str(len(family.members)),
            str(family.num_copies),
            code(family.best) if family.best else "-",
            code(", ".join(family.common)),
        )
        for family in field.families
    ]
    return [
        "## Families",
        "",
        f"Programs that share half of themselves with the first of them; a near-duplicate shares {COPY:.0%} with an "
        "earlier one, whatever was renamed, reformatted or retuned.",
        "",
        *_table(("founder", "members", "near-duplicates", "credible best", "techniques in common"), rows),
    ]


def _weeks(field: Field) -> list[str]:
    rows = [
        (
            week.week,
            str(week.num_submissions),
            _share(week.similarity),
            _share(week.technique_overlap),
            str(week.num_founders),
            code(", ".join(week.new_techniques)),
        )
        for week in field.weeks
    ]
    return [
        "## How alike they have become",
        "",
        "Mean over all pairs of a week: the share of their programs, and of their techniques, that two have in common.",
        "",
        *_table(("week", "submissions", "programs", "techniques", "new families", "new techniques"), rows, len(rows)),
    ]


def _techniques(field: Field) -> list[str]:
    rows = [
        (
            text(spread.name),
            spread.family,
            str(spread.num_used),
            str(spread.num_off),
            str(spread.num_claimed),
            str(spread.num_credible),
            str(spread.num_blocked),
            code(spread.first),
        )
        for spread in sorted(field.techniques, key=lambda spread: -spread.num_used)
        if not catalogue()[spread.technique].baseline  # everybody has those
    ]
    head = ("technique", "family", "used", "off", "only claimed", "credible", "blocked", "first")
    return ["## Techniques", "", *_table(head, rows, len(rows))]


# --- cells


def code(words: str | None) -> str:
    """Strangers' words as a code span that fits a cell; `-` for none."""
    plain = _plain(words or "", QUOTE_MAX).replace("`", "'").replace("|", "¦")
    return f"`{plain}`" if plain else "-"


def text(words: str) -> str:
    """Words with every sign escaped that Markdown, HTML or a forge would act on."""
    return _SIGN.sub(lambda sign: f"&#{ord(sign[0])};", _plain(words, 2 * QUOTE_MAX))


_SIGN = re.compile(r"[^\w\s.,;:+=%/'→≤≥±×…–-]|_|(?<=:)/(?=/)|(?<=www)\.", re.IGNORECASE)


def _plain(words: str, most: int) -> str:
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in words[: 4 * most]).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _where(evidence: Evidence) -> str:
    return f"{code(f'{evidence.file}:{evidence.line}' if evidence.line else evidence.file)} {code(evidence.quote)}"


def _score(entry: Entry) -> str:
    said = entry.ruling.submission
    if said.val_bpb is None:
        return f"{_number(number_of(entry.ruling))} claimed" if number_of(entry.ruling) is not None else "-"
    seeds = sum(seed.val_bpb is not None for seed in said.seeds)
    spread = f" ± {said.val_bpb_std:.5f}" if said.val_bpb_std is not None else ""
    return f"{_number(said.val_bpb)}{spread} ({seeds} seed{'s' * (seeds != 1)})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.5f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _track_of(entry: Entry) -> str | None:
    return entry.ruling.submission.track


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], most: int = ROWS_MAX) -> list[str]:
    listed = list(rows)
    if not listed:
        return []
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *listed[:most])]
    more = len(listed) - most
    return [*lines, "", *([f"and {more} more.", ""] if more > 0 else [])]
