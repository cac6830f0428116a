"""The frontier on the challenge's real history: do its first families hold what the next records add?

    python bench/research_backtest.py --checkout DIR [--kept FILE]

DIR is a clone of openai/parameter-golf that has its pull requests (refs/pull/*/head); nothing is checked out. FILE
keeps what was read, a JSON line per submission, so that a second run takes seconds.
"""

import argparse
import json
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from golf import durable
from golf.errors import GolfError
from golf.referee import pull_requests, techniques
from golf.referee.case import open_case
from golf.research import attempts, bandit
from golf.research.nouns import Competitor

READ = (".py", ".md", ".json", ".sh")
"""Endings of what tells techniques and the claimed score; logs are left out, they are most of the bytes."""


def history(checkout: Path) -> Iterator[dict[str, Any]]:
    """Every submission that a pull request adds: its days, claimed score, techniques, and whether it was merged."""
    found = pull_requests.added(checkout, pull_requests.heads(checkout))
    merged = _merged(checkout)
    objects = pull_requests.Objects(checkout)
    try:
        for head, folders in found.items():
            for folder in folders:
                wanted = {path: blob for path, blob in folder.files.items() if path.lower().endswith(READ)}
                with tempfile.TemporaryDirectory() as scratch:
                    try:
                        objects.write(wanted, Path(scratch))
                        case = open_case(Path(scratch) / folder.path, pr=head.number)
                        told = techniques.telling(techniques.sightings(case), has_code=case.has_code)
                    except (GolfError, OSError, RecursionError):
                        continue
                yield {
                    "name": f"#{head.number} {folder.path}",
                    "since": folder.since,
                    "until": folder.until,
                    "val_bpb": case.submission.claimed_val_bpb,
                    "merged": folder.path in merged,
                    "is_record": folder.path in merged and folder.path.startswith("records/track_10min_16mb/"),
                    "techniques": told,
                }
    finally:
        objects.close()


def _merged(checkout: Path) -> set[str]:
    """Submissions' folders on the main branch."""
    listed = subprocess.run(
        ["git", "-C", str(checkout), "ls-tree", "-r", "-d", "-z", "--name-only", "HEAD", "records/"],
        capture_output=True, check=True,
    )  # fmt: skip
    return set(listed.stdout.decode("utf-8", "replace").split("\0"))


WORTH_BPB = 0.003
"""A merged folder is a next record when it scores at most so much above the best one known: others are lessons."""


class Episode(NamedTuple):
    """A record, what was known on the day before it, and what it added to the best of it."""

    day: str
    known: list[dict[str, Any]]
    best: dict[str, Any]
    added: set[str]


def ordered(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each folder once, as the first pull request brought it, by the day it was known.

    A record's day is its folder's as far as its commits bear it out; any other submission is known when its last commit
    was made, because only that is read.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row["until"], row["since"], int(row["name"][1:].split(" ")[0]))):
        folder = row["name"].split(" ", 1)[1]
        claimed = re.match(r"\d{4}-\d\d-\d\d", folder.rsplit("/", 1)[-1])
        day = min(max(claimed[0], row["since"]), row["until"]) if row["is_record"] and claimed else row["until"]
        found.setdefault(folder, {**row, "day": day})
    return sorted(found.values(), key=lambda row: row["day"])


def episodes(rows: Sequence[dict[str, Any]]) -> list[Episode]:
    """Every record that adds a technique to the best record of the days before it."""
    records = [row for row in rows if row["is_record"] and row["val_bpb"]]
    found = []
    for record in records:
        earlier = [row for row in records if row["day"] < record["day"]]
        best = min(earlier, key=lambda row: row["val_bpb"], default=None)
        if best is None or record["val_bpb"] > best["val_bpb"] + WORTH_BPB:
            continue
        added = set(record["techniques"]) - set(best["techniques"])
        if added:
            found.append(Episode(record["day"], [row for row in rows if row["day"] < record["day"]], best, added))
    return found


def ours(episode: Episode) -> list[str]:
    """Techniques by the frontier's score."""
    tried = attempts.of_competitors(
        Competitor(
            name=row["name"], techniques=row["techniques"], val_bpb=row["val_bpb"], is_credible=row["is_record"],
            published_at=datetime.fromisoformat(row["day"]).replace(tzinfo=UTC),
        )
        for row in episode.known
    )  # fmt: skip
    now = datetime.fromisoformat(episode.day).replace(tzinfo=UTC)
    return [row.technique for row in bandit.scored(tried, now=now)]


def popularity(episode: Episode) -> list[str]:
    """Techniques by the submissions that have them."""
    return _counted(episode.known)


def recency(days: int) -> Callable[[Episode], list[str]]:
    """Techniques by the submissions of the last days that have them."""

    def ranked(episode: Episode) -> list[str]:
        since = (date.fromisoformat(episode.day) - timedelta(days)).isoformat()
        return _counted([row for row in episode.known if row["day"] >= since])

    return ranked


def newest(episode: Episode) -> list[str]:
    """Techniques by their last use."""
    return list(dict.fromkeys(id for row in reversed(episode.known) for id in row["techniques"]))


def _counted(rows: Iterable[dict[str, Any]]) -> list[str]:
    counts = Counter(id for row in rows for id in row["techniques"])
    return sorted(counts, key=lambda id: (-counts[id], id))


def recalled(
    found: Sequence[Episode], rank: Callable[[Episode], list[str]], k: int, families: bool
) -> tuple[float, float]:
    """Mean share of what a record adds that the first k hold, and share of records of which they hold anything.

    No ranking is asked about what the best record has already.
    """
    known = techniques.catalogue()
    shares = []
    for episode in found:
        listed = [id for id in rank(episode) if id not in episode.best["techniques"]]
        added = episode.added
        if families:
            listed = list(dict.fromkeys(known[id].family for id in listed))
            added = {known[id].family for id in added}
        shares.append(len(added.intersection(listed[:k])) / len(added))
    return sum(shares) / len(shares), sum(share > 0 for share in shares) / len(shares)


RANKINGS: dict[str, Callable[[Episode], list[str]]] = {
    "ours": ours,
    "popularity": popularity,
    "recency, 3 days": recency(3),
    "recency, 7 days": recency(7),
    "recency, last use": newest,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("--kept", type=Path)
    arguments = parser.parse_args()
    if arguments.kept and arguments.kept.exists():
        rows = [json.loads(line) for line in arguments.kept.read_text(encoding="utf-8").splitlines()]
    else:
        rows = list(history(arguments.checkout))
        if arguments.kept:
            durable.replace(arguments.kept, "".join(json.dumps(row) + "\n" for row in rows))
    rows = ordered(rows)
    found = episodes(rows)
    half = len(found) // 2
    print(f"{len(rows)} submissions, {len(found)} records that add a technique to the best one of the days before")
    print("share of the added that the first k hold / share of records of which they hold any\n")
    for name, part in (("all", found), ("first half", found[:half]), ("second half", found[half:])):
        print(f"{name:<20}{'techniques':^36}{'families':^24}")
        print(f"{'':<20}{'k=5':^12}{'k=10':^12}{'k=20':^12}{'k=3':^12}{'k=5':^12}")
        for ranking, rank in RANKINGS.items():
            cells = [recalled(part, rank, k, False) for k in (5, 10, 20)] + [
                recalled(part, rank, k, True) for k in (3, 5)
            ]
            print(f"{ranking:<20}" + "".join(f"{f'{mean:.2f} / {some:.2f}':^12}" for mean, some in cells))
        print()


if __name__ == "__main__":
    main()
