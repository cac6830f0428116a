"""How exports are shown: the verdict, what was compared, and what was written."""

from golf.desk.export.exported import Export, Port
from golf.report import render
from golf.report.render import Fact, Table, View


@render.view.register
def _(noun: Export) -> View:
    return View(
        f"export {noun.checkpoint}",
        [
            Fact("export", noun.verdict),
            *[Fact("reason", reason) for reason in noun.reasons],
            Fact("folder", noun.folder),
            Fact("difference", "none" if noun.difference is None else f"{noun.difference:.3g}"),
            Fact("tolerance", f"{noun.tolerance:g}"),
            Fact("dtype", noun.dtype),
            Table(
                "compared",
                ("shape", "difference", "rounding", "largest_logit"),
                [
                    (f"{one.batch} × {one.sequence}", *map(_short, (one.difference, one.rounding, one.largest_logit)))
                    for one in noun.shapes
                ],
            ),
            Fact("logits", noun.logits),
            Fact("opset", noun.opset),
            *[Fact("input", _port(one)) for one in noun.inputs],
            *[Fact("output", _port(one)) for one in noun.outputs],
            Fact("parameters", noun.parameters),
            Fact("max_len", noun.max_len),
            Fact("model_bytes", noun.model_bytes),
            Fact("model_sha256", noun.model_sha256),
            Fact("checkpoint_sha256", noun.checkpoint_sha256),
            Fact("versions", ", ".join(f"{name} {version}" for name, version in noun.versions.items())),
            *([Fact("serve", noun.serve), Fact("lint", noun.lint)] if noun.serve else []),
            *([Table("file", ("path", "bytes"), [(one.path, one.bytes) for one in noun.files])] if noun.files else []),
            *[Fact("note", note) for note in noun.notes],
            *[Fact("unconfined", one) for one in noun.unconfined],
        ],
    )


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _port(one: Port) -> str:
    return f"{one.name} {one.dtype} ({', '.join(map(str, one.shape))})"
