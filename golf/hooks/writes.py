"""Which files a command would write, by the programs' own conventions.

A path is absolute and may hold wildcards. Of a program that is not in the tables nothing is said: the guard
on frozen files is for the writes that happen by habit or by accident, and says so in its documentation.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from golf.hooks import inline
from golf.hooks.commands import PYTHON, given
from golf.hooks.shell import Command


@dataclass(frozen=True)
class Write:
    """One path that is written, moved or removed."""

    path: str
    is_deep: bool = False
    """With all that is below it."""
    by_git: Literal["", "restores", "cleans"] = ""
    """Brings back what git has in HEAD or in its index, or removes what git does not have."""


_CODEX_PATCH = re.compile(r"^[ \t]*\*\*\* (?:(?:Add|Update|Delete) File|Move to):(.*)", re.MULTILINE)
_DIFF = re.compile(r"^--- ([^\t\n]+)(?:\t[^\n]*)?\n\+\+\+ ([^\t\n]+)", re.MULTILINE)

_EVERY_OPERAND = {
    "rm", "rmdir", "unlink", "shred", "truncate", "touch", "tee", "sponge", "ed", "vi", "vim", "nano", "gzip", "gunzip",
    "dos2unix",
}  # fmt: skip
_BEHIND_THE_FIRST = {"chmod", "chown", "chgrp"}
_TO_THE_LAST = {"cp", "mv", "install", "ln", "rsync", "scp", "link"}
_VALUED = {
    "truncate": "-s --size -r --reference", "touch": "-d -t -r --date --reference",
    "install": "-m -o -g --mode --owner --group", "cp": "-S --suffix", "mv": "-S --suffix", "ln": "-S --suffix",
    "rsync": "-e --exclude --include --filter", "shred": "-n -s",
}  # fmt: skip
_IN_PLACE = {"sed": r"-[a-zA-Z]*i.*|--in-place.*", "perl": r"-[a-zA-Z0-9]*i.*"}
_FORMATTERS = {"black", "isort", "ruff", "prettier"}


def of_command(command: Command) -> Iterator[Write]:
    """What one simple command writes, its redirections included."""
    for write in _by_program(command):
        yield replace(write, path=_absolute(command.cwd, write.path))
    for path in command.outputs:
        yield Write(_absolute(command.cwd, path))
    if command.name in ("apply_patch", "applypatch"):
        yield from of_patch("\n".join([*command.words[1:], command.stdin or ""]), command.cwd)


def of_patch(text: str, cwd: str) -> Iterator[Write]:
    """The files a patch names, in Codex's form or as a diff."""
    named = [path.strip() for path in _CODEX_PATCH.findall(text)]
    named += [re.sub(r"^[ab]/", "", path.strip()) for both in _DIFF.findall(text) for path in both]
    yield from (Write(_absolute(cwd, path)) for path in named if path not in ("", "/dev/null"))


def of_findings(found: inline.Findings, cwd: str) -> Iterator[Write]:
    """What a piece of Python says it writes; nothing of a path that begins in a folder only running would tell."""
    for paths, is_deep in ((found.writes, False), (found.trees, True)):
        yield from (Write(_absolute(cwd, path), is_deep) for path in paths if not path.startswith(inline.UNKNOWN))


def code_of(command: Command) -> str | None:
    """The Python a command is given on its line or in a here-document; None where it runs a file."""
    if not PYTHON.fullmatch(command.name):
        return None
    for place, word in enumerate(command.words[1:], start=1):
        if re.fullmatch(r"-[a-zA-Z]*c", word):
            return " ".join(command.words[place + 1 : place + 2])
        if word == "-m" or not word.startswith("-"):
            return None
    return given(command)


def _by_program(command: Command) -> Iterator[Write]:
    """Writes with the paths as the command names them."""
    name, rest = command.name, command.words[1:]
    options = [word for word in rest if word.startswith("-") and word != "-"]
    operands = _operands(rest, _VALUED.get(name, ""))
    letters = "".join(word[1:] for word in options if not word.startswith("--"))
    if name in _EVERY_OPERAND:
        is_deep = name == "rm" and ("r" in letters.lower() or "--recursive" in options)
        yield from (Write(path, is_deep) for path in operands)
    elif name in _BEHIND_THE_FIRST:
        is_deep = "R" in letters or "--recursive" in options
        yield from (Write(path, is_deep) for path in operands[1:])
    elif name in _TO_THE_LAST:
        yield from _copied(name, rest, operands)
    elif name == "dd":
        yield from (Write(word.removeprefix("of=")) for word in rest if word.startswith("of="))
    elif name in _IN_PLACE:
        if any(re.fullmatch(_IN_PLACE[name], word) for word in rest):
            yield from (Write(path) for path in operands)
    elif name in ("sort", "curl", "wget", "tar", "unzip"):
        yield from _by_option(name, rest)
    elif name == "patch":
        folder = _absolute(command.cwd, _said(rest, "-d", "--directory") or ".")
        yield from (Write(path) for path in [*_operands(rest, "-p -i -d -o")[:1], *filter(None, [_said(rest, "-o")])])
        yield from of_patch(command.stdin or "", folder)
    elif name == "sqlite3" and "-readonly" not in options and operands and "mode=ro" not in operands[0]:
        yield Write(operands[0].removeprefix("file:").split("?")[0])
    elif name in _FORMATTERS and (name != "ruff" or "format" in rest or "--fix" in rest):
        if not {"--check", "--diff", "-c", "--check-only"} & set(options):
            yield from (Write(path) for path in operands)
    elif name == "git":
        yield from _by_git(command)


def _copied(name: str, rest: list[str], operands: list[str]) -> Iterator[Write]:
    target = _said(rest, "-t", "--target-directory")
    sources = operands if target else operands[:-1]
    if target is None:
        if not sources:
            return
        target = operands[-1]
    if name == "mv":
        yield from (Write(path, is_deep=True) for path in sources)
    yield Write(target)
    yield from (Write(f"{target}/{Path(path).name}") for path in sources)


def _by_option(name: str, rest: list[str]) -> Iterator[Write]:
    """Programs whose output hides behind an option."""
    fetched = [word.partition("?")[0].rpartition("/")[2] for word in rest if "://" in word]
    match name:
        case "sort":
            output = _said(rest, "-o", "--output")
        case "curl":
            output = _said(rest, "-o", "--output")
            if any(re.match(r"-[a-zA-Z]*O|--remote-name", word) for word in rest):
                yield from (Write(path) for path in fetched)
        case "wget":
            output = _said(rest, "-O", "--output-document")
            if output is None:
                yield from (Write(f"{_said(rest, '-P', '--directory-prefix') or '.'}/{path}") for path in fetched)
        case "unzip":
            output = _said(rest, "-d")
        case _:  # tar: what it unpacks is not known, only where
            is_unpacking = any(re.match(r"-?[a-zA-Z]*x|--extract|--get", word) for word in rest)
            output = _said(rest, "-C", "--directory") if is_unpacking else None
    if output:
        yield Write(output)


def _by_git(command: Command) -> Iterator[Write]:
    cwd, verb, rest = git_verb(command)
    before = rest[: rest.index("--")] if "--" in rest else rest
    paths = rest[rest.index("--") + 1 :] if "--" in rest else None
    named = [word for word in before if not word.startswith("-")]
    options = set(before) - set(named)

    def at(paths: list[str], by_git: Literal["", "restores", "cleans"] = "") -> Iterator[Write]:
        yield from (Write(_absolute(cwd, path), is_deep=True, by_git=by_git) for path in paths)

    match verb:
        case "restore" if options & {"--staged", "-S"} and not options & {"--worktree", "-W"}:
            return
        case "checkout" | "restore":
            source = _said(before, "-s", "--source")
            if verb == "checkout" and paths is not None:
                source = named[0] if named else None
            wanted = paths if paths is not None else [word for word in named if word != source]
            if options & {"-f", "--force"}:
                wanted = [*wanted, "."]
            if not options & {"-b", "-B", "--orphan", "--detach"}:
                yield from at(wanted, "restores" if source in (None, "HEAD", "@") else "")
        case "rm" | "mv":
            if not options & {"-n", "--dry-run", "--cached"}:
                yield from at([*named, *(paths or [])])
        case "worktree":
            if named[:1] in (["remove"], ["move"]):
                yield from at([*named[1:], *(paths or [])])
        case "clean":
            if not any(re.match(r"-[a-zA-Z]*n|--dry-run", word) for word in options):
                takes_ignored = any(re.match(r"-[a-zA-Z]*[xX]", word) for word in options)
                yield from at([*named, *(paths or [])] or ["."], "" if takes_ignored else "cleans")
        case "reset":
            if options & {"--hard", "--merge", "--keep"}:
                yield from at(["."], "restores")
        case "stash":
            if not named or named[0] in ("push", "save"):
                pushed = _operands(before, "-m --message")[1:] if named[:1] == ["push"] else []
                yield from at([*pushed, *(paths or [])] or ["."], "restores")
        case "apply" | "am":
            if not options & {"--check", "--stat", "--cached", "--numstat", "--summary"}:
                yield from of_patch(command.stdin or "", cwd)


def git_verb(command: Command) -> tuple[str, str, list[str]]:
    """The folder git works in, its verb, and the words behind it."""
    cwd, rest = command.cwd, command.words[1:]
    while rest and rest[0].startswith("-"):
        if rest[0] == "-C" and len(rest) > 1:
            cwd = _absolute(cwd, rest[1])
        rest = rest[2:] if rest[0] in ("-C", "-c", "--git-dir", "--work-tree") else rest[1:]
    return cwd, rest[0] if rest else "", rest[1:]


def _said(rest: list[str], *names: str) -> str | None:
    """The value of an option: in the next word, behind `=`, or glued to its letter."""
    for place, word in enumerate(rest):
        for name in names:
            if word == name:
                return rest[place + 1] if place + 1 < len(rest) else None
            if name.startswith("--") and word.startswith(f"{name}="):
                return word[len(name) + 1 :]
            if not name.startswith("--") and word.startswith(name) and not word.startswith("--"):
                return word[len(name) :]
    return None


def _operands(rest: list[str], valued: str) -> list[str]:
    """The words that are no options and no options' values; after `--` every word."""
    found, skips = [], False
    for place, word in enumerate(rest):
        if skips:
            skips = False
        elif word == "--":
            return [*found, *rest[place + 1 :]]
        elif word.startswith("-") and word != "-":
            skips = word in valued.split()
        elif word:
            found.append(word)
    return found


def _absolute(cwd: str, path: str) -> str:
    if path == "~" or path.startswith("~/"):
        path = os.environ.get("HOME", "~") + path[1:]
    return os.path.normpath(path if path.startswith("/") else f"{cwd}/{path}")
