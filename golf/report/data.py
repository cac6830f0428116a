"""How a look at data is shown: what is wrong first, then the checklist with what was not looked at."""

from golf.desk.pipeline.checked import DataCheck, DataFile, Trouble
from golf.desk.pipeline.template import PipelineTemplate
from golf.report import render
from golf.report.render import Fact, Table, View

FILES_SHOWN = 20


@render.view.register
def _(noun: DataCheck) -> View:
    more = len(noun.files) - FILES_SHOWN
    return View(
        f"data {noun.path}",
        [
            Fact("errors", noun.errors),
            Fact("warnings", noun.warnings),
            *[fact for one in noun.troubles for fact in _trouble(one)],
            Table(
                "check",
                ("name", "_state", "_text"),
                [(one.name, one.state, one.text) for one in noun.checklist],
            ),
            Table(
                "file",
                ("path", "_kind", "split", "documents", "tokens", "largest", "bytes"),
                [_file(one) for one in noun.files[:FILES_SHOWN]],
            ),
            *([Fact("files", f"{more} more (all of them: --json)")] if more > 0 else []),
            *[Fact("not_read", f"{name}: {reason}") for name, reason in noun.not_read.items()],
        ],
    )


def _trouble(one: Trouble) -> list[Fact]:
    place = one.file if one.place is None else f"{one.file}:{one.place}"
    more = f" ({one.count} places)" if one.count > 1 else ""
    return [Fact(one.severity, f"{one.code}: {one.text}"), Fact("at", place + more), Fact("fix", one.fix)]


def _file(one: DataFile) -> tuple[object, ...]:
    return (one.path, one.kind, one.split or "-", one.documents, one.tokens, one.largest, one.bytes)


@render.view.register
def _(noun: PipelineTemplate) -> View:
    return View(
        "data template",
        [
            Fact("folder", noun.folder),
            *[Fact("file", name) for name in noun.files],
            *[Fact("next", one) for one in noun.next],
        ],
    )
