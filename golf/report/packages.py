"""How packed records are shown."""

from golf.desk.package.packing import Packed
from golf.desk.package.verify import Verified
from golf.report import render
from golf.report.render import Fact, Table, View


@render.view.register
def _(noun: Packed) -> View:
    state = "refused" if noun.reasons else "packed" if noun.written else "would be packed"
    scored = noun.val_bpb is not None
    return View(
        f"package {noun.experiment}",
        [
            Fact("package", state),
            Fact("folder", noun.folder),
            Fact("track", noun.track),
            *([Fact("val_bpb", noun.val_bpb), Fact("bytes_total", noun.bytes_total)] if scored else []),
            Fact("seeds", noun.seeds),
            *([Fact("referee", noun.referee)] if noun.referee else []),
            *[Fact("reason", reason) for reason in noun.reasons],
            *[Fact("note", note) for note in noun.notes],
            *([Table("file", ("path", "bytes"), [(one.path, one.bytes) for one in noun.files])] if noun.files else []),
            *([Fact("seal", noun.seal)] if noun.seal else []),
        ],
    )


@render.view.register
def _(noun: Verified) -> View:
    return View(
        noun.name or "package",
        [
            Fact("verdict", noun.verdict),
            Fact("folder", noun.folder),
            Fact("track", noun.track),
            *([Fact("val_bpb", noun.val_bpb)] if noun.val_bpb is not None else []),
            Fact("seeds", noun.seeds),
            *[Fact("reason", reason) for reason in noun.reasons],
            *[Fact("checked", one) for one in noun.checked],
            *[Fact("not_checked", one) for one in noun.not_checked],
            Fact("referee", noun.referee),
            Fact("seal", noun.seal),
        ],
    )
