"""Our part in somebody else's file: keys in a config.toml, hooks in a hooks.json, a section in an AGENTS.md.

Each function takes the file's text and returns it with our part added; what was there keeps its words and its
meaning, and a text that has our part already comes back as it is.
"""

import json
import re
import tomllib
from typing import Any

from golf.errors import BadConfig

BEGIN = "<!-- golf init: begin. Written anew by every golf init; words of your own belong outside. -->"
END = "<!-- golf init: end -->"
MARKS = re.compile(r"<!-- golf init: (begin|end)\b[^\n]*?-->")


def toml(text: str, ours: str) -> str:
    """Add the top-level keys and the tables of `ours` that `text` does not have; a table it has is left whole.

    Keys go to the top and tables to the end, so that every byte of `text` stays, comments included.

    Raises:
        BadConfig: `text` is not TOML, or a table of ours cannot be added to it.
    """
    theirs = _read_toml(text)
    head, *tables = re.split(r"(?m)^(?=\[)", ours)
    keys = [line for line in head.splitlines() if (key := _key(line)) and key not in theirs]
    tables = [table.strip("\n") for table in tables if not _has(theirs, table[1 : table.index("]")].split("."))]
    if not keys and not tables:
        return text
    line_break = "\r\n" if "\r\n" in text else "\n"
    top = "".join(f"{line}{line_break}" for line in [*keys, ""]) if keys else ""
    end = line_break if tables and text and not text.endswith("\n") else ""
    bottom = "".join(f"{line_break}{table.replace(chr(10), line_break)}{line_break}" for table in tables)
    added = f"{top}{text}{end}{bottom}"
    wanted = _with(theirs, _parsed("\n".join([*keys, *tables])))
    try:
        is_as_wanted = _parsed(added) == wanted
    except tomllib.TOMLDecodeError:  # an inline table, for example, is closed to everything below it
        is_as_wanted = False
    if not is_as_wanted:
        raise BadConfig("it is written in a form that cannot be added to; add by hand:\n" + "\n".join([*keys, *tables]))
    return added


def hooks(text: str, ours: str) -> str:
    """Add the hooks of `ours` whose command `text` does not run on the same event, behind what is there.

    Raises:
        BadConfig: `text` is not the JSON of a hooks.json.
    """
    theirs = _read_json(text)
    events = theirs.setdefault("hooks", {})
    if not isinstance(events, dict):
        raise BadConfig(f"its hooks are {type(events).__name__}, where Codex wants an object of events")
    is_changed = False
    for event, groups in json.loads(ours)["hooks"].items():
        listed = events.setdefault(event, [])
        there = _commands(listed, event)
        missing = [group for group in groups if not there & _commands([group], event)]
        listed += missing
        is_changed |= bool(missing)
    if not is_changed:
        return text
    indent = re.search(r'\n([ \t]+)"', text)
    escaped = text.isascii() or "\\ud" in text.lower()  # half a surrogate pair has no other spelling
    try:
        written = json.dumps(theirs, indent=indent[1] if indent else 2, ensure_ascii=escaped, allow_nan=False) + (
            "\n" if text.endswith("\n") else ""
        )
    except ValueError as error:
        raise BadConfig(f"it holds a number that JSON has no word for: {error}") from error
    return written.replace("\n", "\r\n") if "\r\n" in text else written


def section(text: str, ours: str) -> str:
    """Put `ours` between our marks: in their place where there are some, else at the end.

    Raises:
        BadConfig: a mark is missing, doubled or out of order.
    """
    line_break = "\r\n" if "\r\n" in text or text.endswith("\r") else "\n"  # a \n behind it would make it one
    block = f"{BEGIN}\n\n{ours.strip()}\n\n{END}".replace("\n", line_break)
    place = _section(text)
    if place is not None:
        return text[: place[0]] + block + text[place[1] :]
    if text and not text.endswith("\n"):
        text += line_break
    return text + (line_break if text else "") + block + line_break


def without_section(text: str) -> str:
    """The text as it would be without our section, and without the blank line before it.

    Raises:
        BadConfig: a mark is missing, doubled or out of order.
    """
    place = _section(text)
    if place is None:
        return text
    before, after = text[: place[0]], text[place[1] :]
    return re.sub(r"\n\r?\n\Z", "\n", before) + re.sub(r"\A\r?\n", "", after)


def _section(text: str) -> tuple[int, int] | None:
    """Where our marks and what lies between them are."""
    marks = list(MARKS.finditer(text))
    if not marks:
        return None
    if [mark[1] for mark in marks] != ["begin", "end"]:
        found = ", ".join(mark[1] for mark in marks)
        raise BadConfig(f"its marks <!-- golf init: … --> are {found}, where one begin and one end belong: mend them")
    return marks[0].start(), marks[1].end()


def _read_toml(text: str) -> dict[str, Any]:
    try:
        text.encode()
        return _parsed(text)
    except (tomllib.TOMLDecodeError, UnicodeEncodeError, RecursionError) as error:
        raise BadConfig(f"it is not TOML: {error}") from error


def _parsed(text: str) -> dict[str, Any]:
    return tomllib.loads(text, parse_float=str)  # a nan would not equal itself


def _key(line: str) -> str:
    """The key that a line of ours sets, if it sets one."""
    return match[1] if (match := re.match(r"(\w+) *=", line)) else ""


def _has(table: Any, path: list[str]) -> bool:
    for name in path:
        if not isinstance(table, dict) or name not in table:
            return False
        table = table[name]
    return True


def _with(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    both = dict(theirs)
    for key, value in ours.items():
        inner = both.get(key)
        both[key] = _with(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return both


def _read_json(text: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            raise ValueError("a key occurs twice in one object")
        return table

    try:
        text.encode()
        value = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise BadConfig(f"it is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadConfig(f"it is {type(value).__name__}, where Codex wants an object with hooks")
    return value


def _commands(groups: Any, event: str) -> set[str]:
    try:
        if not isinstance(groups, list):
            raise TypeError
        return {handler.get("command", "") for group in groups for handler in group["hooks"]} - {""}
    except (TypeError, KeyError, AttributeError) as error:
        raise BadConfig(f"its {event} is not a list of groups with hooks") from error
