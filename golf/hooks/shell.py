"""Reading a shell line into its simple commands, without running it.

Lists, pipes, groups, loops, substitutions and here-documents are taken apart; plain variables set on the line
are followed. Braces, arrays and the patterns of `case` are not worked out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import dropwhile, takewhile
from pathlib import PurePath

LONGEST = 200_000
"""Characters of a line that are read; patches in here-documents are long, commands are not."""

LONGEST_VALUE = 10_000
"""Characters a variable keeps."""

EXPANDED_MAX = 1_000_000
"""Characters that variables may add to one text."""

MOST = 2_000
"""Commands of a line that are read."""

DEEPEST = 8
"""Shells within shells that are followed."""

NESTED = 40
"""Parentheses within parentheses that are followed."""

NOWHERE = "/?"
"""The folder behind a `cd` to a place that only running would tell."""

SEVERAL = "\x1f"
"""Between the values of a loop's variable, which becomes all of them at once."""


@dataclass
class Command:
    """One simple command."""

    cwd: str
    words: list[str] = field(default_factory=list)
    """Program and arguments, expanded; empty for a bare redirection."""
    outputs: list[str] = field(default_factory=list)
    """Files that redirections write."""
    inputs: list[str] = field(default_factory=list)
    stdin: str | None = None
    """The here-document or here-string it reads."""
    upstream: list["Command"] = field(default_factory=list)
    """The commands whose output is piped into it."""

    @property
    def name(self) -> str:
        """The program, without its folder."""
        return self.words[0].rstrip("/").rpartition("/")[2] if self.words else ""


def read(line: str, cwd: str, variables: Mapping[str, str], depth: int = 0) -> tuple[list[Command], dict[str, str]]:
    """The commands of `line` as they are written, and the variables as they stand behind it.

    Unreadable syntax ends the reading and never raises.
    """
    reader = Reader(line[:LONGEST], cwd, dict(variables), depth)
    reader.list_until("")
    return reader.found, reader.variables


_OPENING = {"if", "then", "elif", "else", "while", "until", "do", "{", "}", "!", "fi", "done", "for"}
"""Words before a command that are none."""

_NAME = re.compile(r"[A-Za-z_]\w*")
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\+?=(.*)", re.DOTALL)
_PLAIN = re.compile(r"[^\s\\'\"$`|&;()<>#~]+")
_REDIRECTION = re.compile(r"(\d*|&)(<<<|<<-?|>>|>\||>&|<>|<&|>|<)")
_KEYWORD = re.compile(r"([{}!]|[a-z]+)(?=[\s;&|()]|$)")


class Reader:
    """A cursor over one line of shell, which may have line breaks."""

    def __init__(self, text: str, cwd: str, variables: dict[str, str], depth: int) -> None:
        self.text, self.at = text, 0
        self.cwd, self.variables, self.depth = cwd, variables, depth
        self.found: list[Command] = []
        self.nested, self.room = 0, EXPANDED_MAX
        self.pending: list[tuple[Command, str, bool, bool]] = []
        """Here-documents announced on this line: reader, delimiter, tabs stripped, taken literally."""

    # --- lists ---------------------------------------------------------------------------------

    def list_until(self, end: str) -> list[Command]:
        """Read commands up to an unmatched `end` (a parenthesis) or the end of the text; returns those read."""
        first, pipe, is_loop = len(self.found), list[Command](), False
        command = Command(self.cwd)
        while self.at < len(self.text) and len(self.found) < MOST:
            char = self.text[self.at]
            if char in " \t\r" or self.text.startswith("\\\n", self.at):
                self.at += 1 if char != "\\" else 2
            elif char == "#" and (self.at == 0 or self.text[self.at - 1] in " \t\n;&|()"):
                self.at = self._next("\n", self.at)
            elif self._redirection(command):
                continue
            elif char in ";&|\n":
                is_pipe = char == "|" and not self.text.startswith("||", self.at)
                while self.at < len(self.text) and self.text[self.at] in ";&|" and char != "\n":
                    self.at += 1
                if char == "\n":
                    self.at += 1
                    self._here_documents()
                    if not (command.words or command.outputs):
                        continue  # a pipe goes on behind the line's end
                self._finish(command, is_loop)
                pipe = ([*pipe, command] if command.words else pipe) if is_pipe else []
                command, is_loop = Command(self.cwd, upstream=list(pipe)), False
            elif char == "(":
                if command.words and self.text[self.at - 1] != "=":  # the name of a function
                    self._finish(command, is_loop)
                    command, is_loop = Command(self.cwd), False
                self.at += 1
                pipe = [*pipe, *self._parenthesis(command)]
            elif char == ")":
                self.at += 1
                if end == ")":
                    break
                self._finish(command, is_loop)  # what a `case` looks for
                command, is_loop = Command(self.cwd), False
            elif not command.words and not is_loop and (match := _KEYWORD.match(self.text, self.at)):
                if match[1] in _OPENING:
                    self.at, is_loop = match.end(), match[1] == "for"
                else:
                    command.words += self._word()
            else:
                command.words += self._word()
        self._finish(command, is_loop)
        return self.found[first:]

    def _finish(self, command: Command, is_loop: bool) -> None:
        """Keep a command; follow its assignments and its change of folder."""
        words = command.words
        if is_loop and words:
            self._set(words[0], SEVERAL.join(word for word in words[2:] if word))
            words.clear()
        assigned = list(takewhile(bool, map(ASSIGNMENT.fullmatch, words)))
        for match in assigned if len(assigned) == len(words) else ():
            if match:
                self._set(match[1], match[2])
        words[:] = dropwhile(lambda word: not word, words[len(assigned) :])  # empty: an unknown expansion
        if words and words[0] in ("export", "declare", "local", "readonly"):
            for word in words[1:]:
                if match := ASSIGNMENT.fullmatch(word):
                    self._set(match[1], match[2])
        elif words and words[0] in ("cd", "pushd"):
            places = [word for word in words[1:] if not word.startswith("-")]
            if places or len(words) == 1:
                place = places[0] if places else self.variables.get("HOME", "~")
                self.cwd = str(PurePath(self.cwd, place or NOWHERE))
        if words or command.outputs:
            self.found.append(command)

    def _set(self, name: str, value: str) -> None:
        self.variables[name] = value[:LONGEST_VALUE]

    def _parenthesis(self, command: Command) -> list[Command]:
        """Read what an opened parenthesis holds; the commands, if it is a group of some."""
        is_array = bool(command.words) and self.text[self.at - 2] == "="
        if self.nested >= NESTED:
            return []
        first, cwd, variables = len(self.found), self.cwd, dict(self.variables)
        self.nested += 1
        inner = self.list_until(")")
        self.nested -= 1
        self.cwd, self.variables = cwd, variables
        if is_array:
            del self.found[first:]
        return inner

    def _substituted(self, text: str) -> str:
        """Read the commands substituted in a text; what it becomes."""
        if self.depth >= DEEPEST:
            return ""
        reader = Reader(text, self.cwd, self.variables, self.depth + 1)
        value = reader._quoted("")
        self.found += reader.found
        return value

    # --- redirections --------------------------------------------------------------------------

    def _redirection(self, command: Command) -> bool:
        match = _REDIRECTION.match(self.text, self.at)
        if match is None or self.text.startswith(("<(", ">("), self.at):
            return False
        self.at = match.end()
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1
        operator = match[2]
        if operator in ("<<", "<<-"):
            start = self.at
            delimiter = "".join(self._word())
            literal = any(mark in self.text[start : self.at] for mark in "'\"\\")
            self.pending.append((command, delimiter, operator == "<<-", literal))
            return True
        words = self._word() if self.at < len(self.text) and self.text[self.at] not in ";&|()<>\n" else []
        if operator == "<<<":
            command.stdin = "".join(words) + "\n"
        elif operator == "<":
            command.inputs += words
        elif operator in (">&", "<&"):
            command.outputs += [word for word in words if not re.fullmatch(r"\d*-?", word)]
        else:
            command.outputs += words
        return True

    def _here_documents(self) -> None:
        for command, delimiter, stripped, literal in self.pending:
            lines = []
            while self.at < len(self.text):
                end = self._next("\n", self.at)
                line, self.at = self.text[self.at : end], end + 1
                if (line.lstrip("\t") if stripped else line) == delimiter:
                    break
                lines.append(line)
            command.stdin = "\n".join(lines) + "\n"
            if not literal and ("$(" in command.stdin or "`" in command.stdin):  # run while it is read
                self._substituted(command.stdin)
        self.pending.clear()

    # --- words ---------------------------------------------------------------------------------

    def _word(self) -> list[str]:
        """One word as the words it becomes."""
        words, start = [""], self.at
        while self.at < len(self.text):
            char = self.text[self.at]
            if match := _PLAIN.match(self.text, self.at):
                words[-1] += match[0]
                self.at = match.end()
            elif char in " \t\r\n|&;()" or (char in "<>" and not self.text.startswith(("<(", ">("), self.at)):
                break
            elif char == "\\":
                words[-1] += self.text[self.at + 1 : self.at + 2].replace("\n", "")
                self.at += 2
            elif char == "'":
                end = self._next("'", self.at + 1)
                words[-1] += self.text[self.at + 1 : end]
                self.at = end + 1
            elif char == '"':
                self.at += 1
                words[-1] += self._quoted('"')
            elif char in "$`<>":
                first, *others = self._expansion().split() or [""]
                words[-1] += first
                words += others
            elif char == "~" and self.at == start and self.text[self.at + 1 : self.at + 2] in ("", "/", " ", "\n", ";"):
                words[-1] = self.variables.get("HOME", "~")
                self.at += 1
            else:
                words[-1] += char
                self.at += 1
        if self.at == start:  # nothing that a word may hold: never stand still
            self.at += 1
            return []
        return [part for word in words for part in word.split(SEVERAL)]

    def _quoted(self, end: str) -> str:
        """Text in double quotes (or of a here-document) up to `end`."""
        parts = []
        stop = re.compile(r'[\\"$`]' if end else r"[\\$`]")
        while self.at < len(self.text):
            match = stop.search(self.text, self.at)
            until = match.start() if match else len(self.text)
            parts.append(self.text[self.at : until])
            self.at = until
            if match is None:
                break
            if match[0] == end:
                self.at += 1
                break
            if match[0] == "\\":
                escaped = self.text[until + 1 : until + 2]
                parts.append({"\n": ""}.get(escaped, escaped if escaped in '$`"\\' else f"\\{escaped}"))
                self.at += 2
            else:
                parts.append(self._expansion(is_quoted=True))
        return "".join(parts)

    def _expansion(self, *, is_quoted: bool = False) -> str:
        """What `$…`, a backquoted command or a process substitution becomes; an unknown one is empty."""
        text, start = self.text, self.at
        if text.startswith(("$(", "<(", ">("), start):
            self.at += 2
            return self._substitution(None)
        if text[start] == "`":
            end = start + 1
            while end < len(text) and text[end] != "`":
                end += 2 if text[end] == "\\" else 1
            self.at = end + 1
            return self._substitution(text[start + 1 : end].replace("\\`", "`"))
        if text.startswith(("$'", '$"'), start):
            self.at += 1  # the quotes stand for themselves
            return "$" if is_quoted else ""
        if text.startswith("${", start):
            end = self._closing_brace(start + 2)
            inner, self.at = text[start + 2 : end], end + 1
            match = _NAME.match(inner)
            if match is None:
                return ""
            default = re.match(r":?[-=+](.*)", inner[match.end() :], re.DOTALL)
            if match[0] in self.variables or default is None:
                return self._variable(match[0])
            return self._substituted(default[1])
        if match := _NAME.match(text, start + 1):
            self.at = match.end()
            return self._variable(match[0])
        special = text[start + 1 : start + 2]
        self.at = start + (2 if special and special in "@*#?$!-0123456789" else 1)
        if special == "!":
            return "%!"  # the job started last, as `kill` names jobs
        return "" if self.at == start + 2 else "$"

    def _variable(self, name: str) -> str:
        value = self.cwd if name == "PWD" else self.variables.get(name, "")
        self.room -= len(value)
        return value if self.room > 0 else ""

    def _substitution(self, text: str | None) -> str:
        """Read a command substitution, here or from `text`; its output, where that is plain to see."""
        if self.depth >= DEEPEST:
            self.at = self.at if text is not None else len(self.text)
            return ""
        if text is None:
            cwd, variables, depth = self.cwd, dict(self.variables), self.depth
            self.depth += 1
            pending, self.pending = self.pending, []
            inner = self.list_until(")")
            self.pending = pending
            self.cwd, self.variables, self.depth = cwd, variables, depth
        else:
            inner, _ = read(text, self.cwd, self.variables, self.depth + 1)
            self.found += inner
        if len(inner) != 1 or not inner[0].words:
            return ""
        words = inner[0].words
        match inner[0].name:
            case "echo" | "printf":
                return " ".join(word for word in words[1:] if not re.fullmatch(r"-[neE]+|%s(\\n)?", word))
            case "which" | "command" | "basename" | "realpath" | "readlink":
                return words[-1]
            case "pwd":
                return inner[0].cwd
        return ""

    def _closing_brace(self, at: int) -> int:
        depth = 1
        while at < len(self.text):
            depth += {"{": 1, "}": -1}.get(self.text[at], 0)
            if depth == 0:
                return at
            at += 2 if self.text[at] == "\\" else 1
        return len(self.text)

    def _next(self, mark: str, at: int) -> int:
        found = self.text.find(mark, at)
        return len(self.text) if found < 0 else found
