"""How tracking is shown: one line per run and store."""

from golf.desk.tracking.dashboard import Dashboard
from golf.desk.tracking.mirror import Tracked, TrackedTo
from golf.desk.tracking.publish import Publication
from golf.report import render
from golf.report.render import Fact, Table, View

FILES_MAX = 30


@render.view.register
def _(noun: Tracked) -> View:
    blocks: list[Fact | Table] = [Fact("subject", noun.subject)]
    blocks.append(Table("tracked", ("run", "_to", "_told", "_store"), [_row(one) for one in noun.runs]))
    for name, titles in dict.fromkeys((one.run, tuple(one.alerts)) for one in noun.runs if one.alerts):
        blocks.append(Fact(f"alerts {name}", ", ".join(titles)))
    blocks += [Fact("failed", failure) for failure in noun.failures]
    return View("track", blocks)


def _row(one: TrackedTo) -> tuple[str, str, str, str]:
    told = f"{one.values:,} values, {f'{one.added:,} of them new' if one.added else 'all there before'}"
    return one.run, one.to, told if one.is_over else f"{told}; the run is not over", one.store


@render.view.register
def _(noun: Dashboard) -> View:
    return View(
        "dashboard",
        [Fact("url", noun.url), Fact("project", f"{noun.project}, {noun.runs} runs"), Fact("store", noun.store)],
    )


@render.view.register
def _(noun: Publication) -> View:
    total = sum(file.bytes for file in noun.files)
    blocks: list[Fact | Table] = [
        Fact("dataset", f"{noun.repo} at {noun.endpoint}, {'private' if noun.is_private else 'public'}"),
        Fact("runs", noun.runs),
        Fact("files", f"{len(noun.files)}, {total:,} bytes"),
        Table("file", ("path", "_bytes"), [(file.path, f"{file.bytes:,}") for file in noun.files[:FILES_MAX]]),
    ]
    if len(noun.files) > FILES_MAX:
        blocks.append(Fact("more files", f"{len(noun.files) - FILES_MAX} (all of them: --json)"))
    blocks += [Fact("stays here", one) for one in noun.left_out]
    blocks += [Fact("refused", one) for one in noun.refused]
    blocks.append(Fact("logged in", "yes" if noun.is_logged_in else "no: hf auth login, or set HF_TOKEN"))
    blocks.append(Fact("sent", noun.commit or "no"))
    return View("publish", blocks)
