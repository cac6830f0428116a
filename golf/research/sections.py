"""The four sections of `program.md` that Caddie rewrites, and its SOTA line; all else there is somebody's own.

A section stands between two HTML comments. The file is handled as bytes: outside the markers nothing changes but the
number in the SOTA line, whatever encoding or line breaks it has. Where the markers are not exactly one pair for each
section, nothing is written at all: a guess could take a person's text for ours.

Source: "Parameter Golf Auto Research" (2026-03-27), the four injected sections and the SOTA line; the names are ours.
"""

import math
import re
from pathlib import Path
from typing import Literal, get_args

from golf import bundle, durable, rules
from golf.errors import NotFound, UnreadableInput
from golf.schema import Noun
from golf.workspace import Workspace

Name = Literal["research", "history", "competitors", "verified"]
NAMES: tuple[Name, ...] = get_args(Name)

TITLES: dict[Name, str] = {
    "research": "Research",
    "history": "Experiment history",
    "competitors": "Competitors",
    "verified": "Verified research",
}

NOTICE = "<!-- Caddie rewrites this section: do not edit it by hand, what is written here is lost. -->"

FILE_BYTES_MAX = 4_000_000
"""A larger program.md is somebody's mistake."""

SOTA_LINE = re.compile(rb"\*\*SOTA: [\d.]+ bpb\. Baseline: 1\.2244 bpb\.\*\*")
"""Source: "Parameter Golf Auto Research" (2026-03-27), the line in the Metric section."""

_MARKER = re.compile(rb"<!--[ \t]{0,9}caddie:([\w-]{1,40}):([\w-]{1,40})[ \t]{0,9}-->")
_NAMED: dict[bytes, Name] = {name.encode(): name for name in NAMES}
_BREAK = re.compile(rb"\r\n|\n|\r")


class Sections(Noun):
    """What the four sections say, as Markdown."""

    research: str
    history: str
    competitors: str
    verified: str


def begin(name: Name) -> str:
    """The marker above a section."""
    return f"<!-- caddie:{name}:begin -->"


def end(name: Name) -> str:
    """The marker below a section."""
    return f"<!-- caddie:{name}:end -->"


def outline() -> str:
    """Empty sections under their headings, and the SOTA line: what a `program.md` needs to be kept up to date."""
    parts = [f"## {TITLES[name]}\n\n{begin(name)}\n{NOTICE}\n{end(name)}" for name in NAMES]
    line = sota_line(rules.NAIVE_BASELINE_BPB)
    return "\n\n".join([f"## Metric\n\n{line}", *parts]) + "\n"


def begin_file(path: Path) -> bool:
    """Make a `program.md`, or append the outline to one that has no section yet; whether anything was written.

    Raises:
        UnreadableInput: it has markers, and not all of them as they should be; nothing was written.
    """
    if not path.exists():
        durable.replace(path, (bundle.TEMPLATES / "program.md").read_bytes())
        return True
    before = path.read_bytes()
    if _MARKER.search(before):
        _places(before)
        return False
    break_ = b"" if not before or before.endswith(b"\n") else b"\n"
    durable.replace(path, before + break_ + b"\n" + outline().encode())
    return True


def sota_line(sota_bpb: float) -> str:
    """The published line, in bits per byte.

    Raises:
        UnreadableInput: the number is not one that a run could have.
    """
    if not (math.isfinite(sota_bpb) and 0 < sota_bpb < 100):
        raise UnreadableInput(f"a SOTA of {sota_bpb} bpb is no score; program.md was left as it is")
    return f"**SOTA: {sota_bpb:.4f} bpb. Baseline: {rules.NAIVE_BASELINE_BPB} bpb.**"


def program(workspace: Workspace) -> Path:
    """`program.md` of a workspace; where it is a link, what it leads to.

    Raises:
        BadConfig: it leads out of the workspace.
    """
    return workspace.inside("program.md")


def rewrite(path: Path, sections: Sections, sota_bpb: float | None = None) -> bool:
    """Rewrite the sections of a file, atomically; whether anything in it changed.

    Args:
        path: The file.
        sections: What they say from now on.
        sota_bpb: Bits per byte for the SOTA line; None leaves the line as it is.

    Raises:
        NotFound: there is no such file.
        UnreadableInput: a marker is missing, doubled, nested or out of order, or the file is too large; nothing was
            written.
    """
    if not path.is_file():
        raise NotFound(f"there is no file {path}. Begin one with these lines, then run it again:\n\n{outline()}")
    if (size := path.stat().st_size) > FILE_BYTES_MAX:
        raise UnreadableInput(f"{path} has {size:,} bytes, over {FILE_BYTES_MAX:,}; it was left as it is. Shorten it")
    before = path.read_bytes()
    try:
        after = rewritten(before, sections, sota_bpb)
    except UnreadableInput as error:
        raise UnreadableInput(f"{path}: {error}") from None
    if after != before:
        durable.replace(path, after)
    return after != before


def rewritten(content: bytes, sections: Sections, sota_bpb: float | None = None) -> bytes:
    """The file's bytes with other sections; line breaks within them are those of the file's first line.

    Raises:
        UnreadableInput: a marker is missing, doubled, nested or out of order; the message names it and its line.
    """
    first = _BREAK.search(content)
    line_break = first[0] if first else b"\n"
    line = b"" if sota_bpb is None else sota_line(sota_bpb).encode()
    parts: list[bytes] = []
    at = 0
    for name, start, stop in _places(content):
        parts += [_with_sota(content[at:start], line), _body(getattr(sections, name), line_break)]
        at = stop
    return b"".join([*parts, _with_sota(content[at:], line)])


def _with_sota(own: bytes, line: bytes) -> bytes:
    return SOTA_LINE.sub(lambda _: line, own) if line else own


def _body(text: str, line_break: bytes) -> bytes:
    """What stands between two markers. No comment begins or ends in it: one could end the section, or never end."""
    harmless = text.replace("<!--", "&lt;!--").replace("-->", "--&gt;")
    lines = [NOTICE, *harmless.strip("\r\n").splitlines()]
    return b"".join([line_break, *(line.encode("utf-8", "replace") + line_break for line in lines)])


def _places(content: bytes) -> list[tuple[Name, int, int]]:
    """Where each section's text begins and ends, in the order of the file."""
    lines: dict[str, int] = {}
    markers: list[tuple[Name, str, re.Match[bytes]]] = []
    for match in _MARKER.finditer(content):
        shown, line = match[0].decode(errors="replace"), 1 + len(_BREAK.findall(content, 0, match.start()))
        name, side = _NAMED.get(match[1]), match[2].decode()
        if name is None or side not in ("begin", "end"):
            raise UnreadableInput(f"line {line}: {shown} is no marker of the sections {', '.join(NAMES)}. Correct it")
        marker = begin(name) if side == "begin" else end(name)
        if marker in lines:
            raise UnreadableInput(
                f"line {line}: {marker} stands in line {lines[marker]} already. Delete one of the two"
            )
        lines[marker] = line
        markers.append((name, marker, match))
    for name in NAMES:
        if begin(name) not in lines and end(name) not in lines:
            raise UnreadableInput(
                f"the section {name} is missing: no line has {begin(name)}, nor {end(name)}. Add both"
            )
        for marker, other in ((begin(name), end(name)), (end(name), begin(name))):
            if marker not in lines:
                raise UnreadableInput(f"{marker} is missing; line {lines[other]} has {other}. Add it")
    found: list[tuple[Name, int, int]] = []
    for (name, marker, first), (other, within, second) in zip(markers[::2], markers[1::2], strict=True):
        if marker == end(name):
            raise UnreadableInput(f"line {lines[marker]}: {marker} stands before {begin(name)}. Swap the two")
        if other != name:
            raise UnreadableInput(f"line {lines[within]}: {within} stands within the section {name}. Move it out")
        found.append((name, first.end(), second.start()))
    return found
