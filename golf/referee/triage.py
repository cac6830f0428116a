"""Other people's submissions, thousands of them, for the people who decide: judged, compared and ranked.

They are folders on disk, or what the pull requests of a Git repository add. What was judged before is taken from an
index. Nothing of theirs is run; each is read in a process of its own, within a limit of time and memory.
"""

import hashlib
import json
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from golf import durable
from golf.answers.submissions import Triage
from golf.errors import NotFound, UnreadableInput
from golf.referee import judging, places, pull_requests, workers
from golf.referee.brief import TriageSummary, summary, triaged
from golf.referee.bulletin import bulletin
from golf.referee.field import Field
from golf.referee.index import Index
from golf.referee.judging import Judged
from golf.referee.reading import printable
from golf.referee.survey import Placed
from golf.referee.survey import survey as see

__all__ = ["TriageSummary", "bulletin", "publish", "summary", "survey", "triage", "triaged"]

FILES_MAX = 500_000
"""Files below a folder that is triaged; more are to be triaged in parts."""

DEPTH_MAX = 40
"""Folders within one another that are looked into for submissions; each submission's own limits hold below."""

SUBMISSIONS_MAX = 20_000

CONTENT_BYTES_MAX = 4_000_000
"""Files up to this size are known again by their content, larger ones by size and times of change."""

KEEP_EVERY = 50
"""Judgements between two writes to the index."""

Progress = Callable[[int, int], None]
"""Told how many submissions are done, of how many."""


def survey(
    folder: Path,
    *,
    index: Path | None = None,
    num_workers: int | None = None,
    limit_s: float = workers.LIMIT_S,
    on_progress: Progress | None = None,
) -> Field:
    """Judge every submission below `folder`, or of the pull requests in the repository there, and see them together.

    With `index`, a file, what was judged before and has not changed is not read again, and what is new since the last
    run is told. `limit_s` is for one submission.

    Raises:
        NotFound: there is no such folder.
        UnreadableInput: there is no submission in it, there are too many, or the index cannot be used.
    """
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}. Give the one that holds the submissions, or a Git repository")
    kept = Index(index)
    try:
        found = _from_pull_requests(folder, kept) or _from_disk(folder)
        if not found:
            raise UnreadableInput(
                f"no submission in {folder}: none of its folders has a submission.json, README.md or train_gpt.py"
            )
        placed = list(_judged(found, kept, num_workers or workers.available(), limit_s, on_progress))
        place = str(folder.resolve())
        last = kept.get("run", [place]).get(place)
        field = see(placed, place, json.loads(last) if last else None)
        verdicts = {entry.name: entry.ruling.verdict for entry in field.entries}
        kept.put("run", {place: json.dumps(verdicts).encode()})
        kept.keep_only(["run", *_kinds()])
        return field
    finally:
        kept.close()


def triage(
    folder: Path,
    *,
    index: Path | None = None,
    num_workers: int | None = None,
    limit_s: float = workers.LIMIT_S,
    on_progress: Progress | None = None,
) -> Triage:
    """`survey` in the shape of a triage answer, the ones with the worst findings first."""
    return triaged(survey(folder, index=index, num_workers=num_workers, limit_s=limit_s, on_progress=on_progress))


def publish(field: Field, folder: Path, *, title: str = "Submissions", day: str | None = None) -> TriageSummary:
    """Write the page and everything behind it to `folder`, as triage.md and triage.json, and say it in short."""
    page, data = folder / "triage.md", folder / "triage.json"
    durable.replace(page, bulletin(field, title=title, day=day))
    durable.replace(data, field.model_dump_json(indent=1))
    return summary(field, page=str(page), data=str(data))


# --- what there is to judge


@dataclass(frozen=True)
class _Found:
    """A submission that was found, and what its judgement depends on."""

    task: workers.Task
    key: str
    days: tuple[str, str] | tuple[()] = ()
    """Of its pull request's first and last commit."""


def _from_disk(top: Path) -> list[_Found]:
    found = places.submissions(_files(top))
    if len(found) > SUBMISSIONS_MAX:
        raise UnreadableInput(f"over {SUBMISSIONS_MAX} submissions in {top}: triage them in parts")
    names = {place: _shown(place) if place != "." else _shown(top.resolve().name) for place in found}
    twice = {name for name, num in Counter(names.values()).items() if num > 1}  # two paths of odd bytes shown alike
    return [
        _Found(
            workers.Task(f"{names[place]} ({number})" if names[place] in twice else names[place], top / place),
            _key(place, _signatures(top, files)),
        )
        for number, (place, files) in enumerate(found.items(), start=1)
    ]


def _files(top: Path) -> Iterator[str]:
    """Names below a folder that are no folders, without following links or looking into what begins with a dot."""
    count = 0
    for root, folders, names in os.walk(top):
        is_deep = root.count(os.sep) - str(top).count(os.sep) >= DEPTH_MAX
        folders[:] = [] if is_deep else sorted(name for name in folders if not name.startswith("."))
        for name in names:
            count += 1
            if count > FILES_MAX:
                raise UnreadableInput(f"over {FILES_MAX} files in {top}: triage it in parts")
            yield os.path.relpath(os.path.join(root, name), top)  # noqa: PTH118, half a million of them


def _signatures(top: Path, files: Sequence[str]) -> Iterator[str]:
    for name in files:
        try:
            status = (top / name).lstat()
            if not stat.S_ISREG(status.st_mode):
                yield f"{name} {stat.S_IFMT(status.st_mode)}"
            elif status.st_size > CONTENT_BYTES_MAX:
                yield f"{name} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
            else:
                yield f"{name} {hashlib.sha256((top / name).read_bytes()).hexdigest()}"
        except OSError as error:
            yield f"{name} {error.errno}"


def _from_pull_requests(folder: Path, kept: Index) -> list[_Found]:
    """Each folder once, as the first pull request that adds it has it; later ones built on that one have it as well."""
    heads = pull_requests.heads(folder)
    kind, _ = _kinds()
    known = kept.get(kind, (head.commit for head in heads))
    new = pull_requests.added(folder, [head for head in heads if head.commit not in known])
    kept.put(kind, {head.commit: json.dumps([asdict(one) for one in added]).encode() for head, added in new.items()})
    found: dict[str, _Found] = {}
    for head in heads:
        old = json.loads(known.get(head.commit, b"[]"))
        for one in new.get(head) or [pull_requests.AddedFolder(**{**row, "number": head.number}) for row in old]:
            key = _key(one.path, (f"{path} {blob}" for path, blob in one.files.items()))
            name = f"#{head.number} {_shown(one.path)}"
            found.setdefault(key, _Found(workers.Task(name, folder, one), key, (one.since, one.until)))
    return list(found.values())


def _key(place: str, signatures: Iterator[str]) -> str:
    digest = hashlib.sha256(place.encode("utf-8", "surrogateescape"))
    for signature in signatures:
        digest.update(f"\\0{signature}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _shown(path: str) -> str:
    """A path of any bytes as text that a line can hold."""
    return printable(os.fsencode(path)).strip() or "unnamed"


# --- judging them


def _judged(
    found: Sequence[_Found], kept: Index, num_workers: int, limit_s: float, on_progress: Progress | None
) -> Iterator[Placed]:
    _, kind = _kinds()
    known = kept.get(kind, (one.key for one in found))
    left = {one.task.name: one for one in found if one.key not in known}
    done = len(found) - len(left)
    if on_progress:
        on_progress(done, len(found))
    for one in found:
        if one.key in known:
            yield Placed(one.task.name, Judged.model_validate_json(known[one.key]), *one.days)
    fresh: dict[str, bytes] = {}
    for answer in workers.answers([one.task for one in left.values()], num_workers, limit_s):
        one = left[answer.task.name]
        done += 1
        if on_progress:
            on_progress(done, len(found))
        if answer.judged is None:
            number = one.task.added.number if one.task.added else None
            yield Placed(one.task.name, judging.not_judged(one.task.name, number, answer.problem), *one.days)
            continue
        yield Placed(one.task.name, Judged.model_validate_json(answer.judged), *one.days)
        fresh[one.key] = answer.judged
        if len(fresh) >= KEEP_EVERY:
            kept.put(kind, fresh)
            fresh.clear()
    kept.put(kind, fresh)


def _kinds() -> tuple[str, str]:
    """What the index calls folders by head, and judgements, of this version of the referee."""
    return f"head {judging.version()}", f"judged {judging.version()}"
