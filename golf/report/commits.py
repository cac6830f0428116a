"""How a commit that is about to be made is shown: what is wrong with it, and the way round for who means it."""

from golf.desk.commits.staged import Commit
from golf.report import render
from golf.report.render import Fact, View


@render.view.register
def _(noun: Commit) -> View:
    facts = [Fact("files", noun.files)]
    for one in noun.findings:
        facts += [
            Fact(one.severity, f"{one.code}: {one.text}"),
            Fact("  at", f"{one.file}:{one.line}{f': {one.quote}' if one.quote else ''}"),
            Fact("  fix", one.fix),
        ]
    if noun.is_refused:
        facts.append(Fact("meant all the same", "git commit --no-verify"))
    return View("commit", facts)
