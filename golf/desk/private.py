"""What must not leave this machine in a folder made for strangers: keys, and the machine's own paths.

A key is never repeated in what is said of it. Paths of the machine are those below its home folder, the workspace, the
data and the interpreter; `/usr/lib` or `/tmp` tell nobody anything.
"""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from golf.schema import Noun
from golf.workspace import Workspace

SPAN_CHARS, OVERLAP_CHARS = 200_000, 4_000
"""A longer line, such as a progress bar's or a database's, is searched in spans; no key is as long as their overlap."""

KNOWN_CHARS_MIN = 12
"""A shorter value of a variable that is called a key is a word that may stand anywhere."""

_KEYS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a Hugging Face token", re.compile(r"\bhf_[A-Za-z0-9]{30,}")),
    ("a GitHub token", re.compile(r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{22,}")),
    ("an API key", re.compile(r"\bsk-(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9_-]{20,}")),
    ("a RunPod key", re.compile(r"\brpa_[A-Z0-9]{30,}")),
    ("an AWS key", re.compile(r"\bAKIA[0-9A-Z]{16}\b")),
    ("a Google key", re.compile(r"\bAIza[\w-]{35}\b")),
    ("a Slack token", re.compile(r"\bxox[baprs]-[\w-]{10,}")),
    ("a private key", re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----")),
    (
        "a password in an address",
        re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"{}$<>]{1,80}:[^\s/:@'\"{}$<>]{3,80}@"),
    ),
    (
        "a key",
        re.compile(
            r"(?:\b|_)(?:API_?KEY|SECRET(?:_KEY)?|PASSWORD|PASSWD|ACCESS_TOKEN|AUTH_TOKEN|HF_TOKEN|GITHUB_TOKEN)"
            r"[\"']?\s{0,4}[=:]\s{0,4}[\"']?(?=[A-Za-z_+/-]*\d)(?=[\d_+/-]*[A-Za-z])[A-Za-z0-9_+/-]{16,}",
            re.IGNORECASE,
        ),
    ),
)
_NAMED_KEY = re.compile(r"(?:^|_)(?:API_?KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(?:_|$)")


class Leak(Noun):
    """Something private, where it stands."""

    file: str
    line: int
    what: str
    """Never the key itself."""
    is_path: bool
    """A path of this machine, and no key."""

    def told(self) -> str:
        """In one line."""
        return f"{self.file}:{self.line} has {self.what}"


@dataclass(frozen=True)
class Machine:
    """The private places of a machine, longest first, each with what may stand in its stead."""

    places: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, workspace: Workspace | None) -> "Machine":
        """This machine, as a workspace sees it."""
        found: dict[str, str] = {}

        def add(place: str | Path, name: str) -> None:
            for one in dict.fromkeys((str(place), os.path.realpath(place))):
                if one.startswith("/") and one.count("/") + (one == "/root") > 1 and not one.startswith("/usr"):
                    found.setdefault(one.rstrip("/"), name)

        if workspace is not None:
            add(workspace.root, "<workspace>")
            add(workspace.data, f"<data>/{workspace.data.name}")
            add(workspace.tokenizer.parent, "<tokenizers>")
            if os.sep in workspace.python:
                add(Path(workspace.python).parent.parent, "<python>")
        add(sys.prefix, "<python>")
        add(Path.home(), "<home>")
        return cls(tuple(sorted(found.items(), key=lambda place: (-len(place[0]), place[0]))))

    def pattern(self) -> re.Pattern[str] | None:
        """Finds any of the places where it is one, and no beginning of a longer name."""
        if not self.places:
            return None
        names = "|".join(re.escape(place) for place, _ in self.places)
        return re.compile(rf"(?<![\w./-])(?:{names})(?![\w-])")

    def redacted(self, text: str) -> tuple[str, int]:
        """`text` with the places' names in their stead, and how many there were."""
        found = self.pattern()
        if found is None:
            return text, 0
        names = dict(self.places)
        return found.subn(lambda match: names[match[0]], text)


def leaks(files: Mapping[str, bytes], machine: Machine, environ: Mapping[str, str] | None = None) -> list[Leak]:
    """Every line of `files` with a key or a path of `machine`, once per kind; binary files are read as Latin-1."""
    known = _known(os.environ if environ is None else environ)
    paths = machine.pattern()
    found: list[Leak] = []
    for name, data in files.items():
        for number, line in _lines(data):
            for what, pattern in _KEYS:
                if pattern.search(line):
                    found.append(Leak(file=name, line=number, what=what, is_path=False))
                    break
            else:
                for variable, value in known.items():
                    if value in line:
                        what = f"the value of {variable}"
                        found.append(Leak(file=name, line=number, what=what, is_path=False))
                        break
            if paths is not None and (match := paths.search(line)):
                what = f"a path of this machine: {match[0]}…"
                found.append(Leak(file=name, line=number, what=what, is_path=True))
    return list(dict.fromkeys(found))  # what stands where two spans overlap is found in both


def _lines(data: bytes) -> Iterable[tuple[int, str]]:
    """Lines with their numbers; of a long one its spans, each under its number."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    for number, line in enumerate(text.split("\n"), start=1):
        for start in range(0, max(1, len(line) - OVERLAP_CHARS), SPAN_CHARS - OVERLAP_CHARS):
            yield number, line[start : start + SPAN_CHARS]


def _known(environ: Mapping[str, str]) -> dict[str, str]:
    """Values of this process's variables that are called keys."""
    return {
        name: value.strip()
        for name, value in environ.items()
        if _NAMED_KEY.search(name.upper())
        and len(value.strip()) >= KNOWN_CHARS_MIN
        and not value.strip().startswith(("/", "~", "."))  # where a key lies
    }
