"""Real English text that every Python carries: its documentation topics, and its library's docstrings and comments.

The library's source files are parsed, never imported, so nothing of them runs. A document is one topic, what one
source file says in docstrings and comments, or what the built-in names say of themselves; a long one is continued in
the next document, so that no single text makes up half of a small validation split. Interactive examples are left
out: they are code. So is a paragraph that was seen before, wherever it stands, because inherited docstrings repeat a
lot: no paragraph of `PARAGRAPH_CHARS_MIN` characters or more occurs twice, and so none occurs in both splits.

The text belongs to one Python version; another one gives a similar text, not the same.
"""

import ast
import builtins
import hashlib
import inspect
import re
import sysconfig
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

VALIDATION_PER_MILLE = 45
"""Documents in a thousand that are validation documents."""
PARAGRAPH_CHARS_MIN = 80
"""Shorter paragraphs may recur ("Return an iterator."): dropping them would tear the text apart."""
DOCUMENT_CHARS_MIN = 200
"""A shorter document is not worth its BOS token."""
DOCUMENT_CHARS_MAX = 10_000
"""A longer document is continued in another one at the next paragraph."""

_NOT_LIBRARY = {"site-packages", "dist-packages", "lib-dynload", "__pycache__", "pydoc_data"}
_NOT_PROSE = {"test", "tests", "idlelib", "lib2to3", "turtledemo", "encodings"}
_EMPTY_LINES = re.compile(r"\n{2,}")
_NOT_WORDS = re.compile(r"[\W_]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EXAMPLE = re.compile(r"^[ \t]*>>>.*", re.DOTALL | re.MULTILINE)
_COMMENTS = re.compile(r"(?:^[ \t]*#(?: .*)?\n){3,}", re.MULTILINE)
_COMMENT_MARK = re.compile(r"^[ \t]*# ?", re.MULTILINE)


def documents() -> Iterator[str]:
    """The running interpreter's text, document by document, in an order that depends on nothing but its version."""

    def everything() -> Iterator[str]:
        yield from topics()
        yield builtin_docstrings()
        yield from library(Path(sysconfig.get_path("stdlib")))

    return deduplicate(everything())


def is_validation(document: str) -> bool:
    """Does this document belong to the validation split? Decided by its text alone."""
    return int.from_bytes(hashlib.sha256(document.encode()).digest()[:8], "big") % 1000 < VALIDATION_PER_MILLE


def topics() -> Iterator[str]:
    """What `help("topics")` knows: chapters of the language reference, by name. None where pydoc_data is missing."""
    try:
        from pydoc_data.topics import topics as by_name
    except ImportError:  # some distributions leave it out
        return
    for name in sorted(by_name):
        yield clean(by_name[name])


def builtin_docstrings() -> str:
    """Docstrings of the built-in functions and types, and of the types' own methods."""
    found: list[str] = []
    for _, value in sorted(vars(builtins).items()):
        if callable(value):
            members = vars(value).values() if inspect.isclass(value) else ()
            found += [doc for item in (value, *members) if isinstance(doc := getattr(item, "__doc__", None), str)]
    return "\n\n".join(clean(doc) for doc in dict.fromkeys(found))


def library(folder: Path) -> Iterator[str]:
    """Per source file under `folder`: docstrings in source order, then comments of three lines or more.

    Files that cannot be read or parsed are passed over.
    """
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if not (_NOT_LIBRARY | _NOT_PROSE).isdisjoint(parts) or parts[0].startswith("config-"):
            continue
        try:
            with tokenize.open(path) as file:
                source = file.read()
            found = [*docstrings(source), *comments(source)]
        except (OSError, SyntaxError, ValueError):
            continue
        yield "\n\n".join(clean(text) for text in found)


def docstrings(source: str) -> Iterator[str]:
    """Docstrings of a module, its classes and its functions, as they stand in the source.

    Raises:
        SyntaxError, ValueError: it is not Python.
    """
    if '"""' not in source and "'''" not in source:  # spares the parsing of large tables
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes are the file's own affair
        tree = ast.parse(source)
    yield from _docstrings(tree)


def _docstrings(node: ast.AST) -> Iterator[str]:
    """Depth first, through statements only: expressions hold no docstring."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        docstring = ast.get_docstring(node, clean=False)
        if docstring:
            yield docstring
    for block in ("body", "handlers", "orelse", "finalbody"):
        for statement in getattr(node, block, ()):
            if hasattr(statement, "body"):
                yield from _docstrings(statement)


def comments(source: str) -> Iterator[str]:
    """Comments that stand on three or more lines of their own, without their marks."""
    for match in _COMMENTS.finditer(source):
        yield _COMMENT_MARK.sub("", match.group())


def clean(text: str) -> str:
    """`text` dedented as a docstring; no trailing spaces, repeated empty lines, control characters or examples."""
    text = text.encode(errors="replace").decode()  # an escape in a docstring may stand for half a surrogate pair
    lines = (_CONTROL.sub("", line).rstrip() for line in inspect.cleandoc(text).splitlines())
    kept = (_EXAMPLE.sub("", paragraph).rstrip() for paragraph in paragraphs("\n".join(lines).strip("\n")))
    return "\n\n".join(paragraph for paragraph in kept if paragraph)


def paragraphs(document: str) -> list[str]:
    """The stretches of a document between its empty lines."""
    return _EMPTY_LINES.split(document)


def deduplicate(documents: Iterable[str]) -> Iterator[str]:
    """Leave out long paragraphs that were seen before, cut what is too long, drop what is too short afterwards.

    Two paragraphs are the same when their words are: case, punctuation and line breaks do not count.
    """
    seen: set[bytes] = set()
    yielded: set[bytes] = set()  # apart from `seen`: a document may consist of one paragraph
    for document in documents:
        fresh: list[str] = []
        for paragraph in paragraphs(document):
            if len(paragraph) >= PARAGRAPH_CHARS_MIN:
                if (key := _fingerprint(paragraph)) in seen:
                    continue
                seen.add(key)
            fresh.append(paragraph)
        for part in _parts(fresh):
            if len(part) >= DOCUMENT_CHARS_MIN and (key := _fingerprint(part)) not in yielded:
                yielded.add(key)
                yield part


def _fingerprint(text: str) -> bytes:
    words = _NOT_WORDS.sub(" ", text.casefold()).strip()
    return hashlib.sha256(words.encode()).digest()


def _parts(paragraphs: list[str]) -> Iterator[str]:
    """Paragraphs gathered into documents of at most DOCUMENT_CHARS_MAX, unless one alone is longer.

    Stripped: the challenge's byte rule does not count a space right after BOS.
    """
    part: list[str] = []
    length = 0
    for paragraph in paragraphs:
        if part and length + len(paragraph) > DOCUMENT_CHARS_MAX:
            yield "\n\n".join(part).strip()
            part, length = [], 0
        part.append(paragraph)
        length += len(paragraph) + 2
    if part:
        yield "\n\n".join(part).strip()
