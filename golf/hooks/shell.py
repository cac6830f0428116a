"""Reading a shell line into its simple commands, without running it.

Lists, pipes, substitutions, here-documents, loops, functions and `case` are taken apart; variables set on
the line are followed. A word that takes one of several values (a loop's variable, braces) becomes all of
them: it says too much rather than too little.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

LONGEST = 200_000
"""Characters of a line that are read; patches in here-documents are long, commands are not."""

MOST = 2_000
"""Commands of a line that are read."""

DEEPEST = 8
"""Shells within shells that are followed."""

NESTED = 40
"""Parentheses within parentheses that are followed."""

MOST_VALUES = 64
"""Values one word may take."""


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


def read(
    line: str, cwd: str, variables: Mapping[str, list[str]], depth: int = 0
) -> tuple[list[Command], dict[str, list[str]]]:
    """The commands of `line` as they are written, and the variables as they stand behind it.

    Unreadable syntax ends the reading and never raises. `variables` names the values each may have.
    """
    reader = Reader(line[:LONGEST], cwd, dict(variables), depth)
    reader.list_until("")
    return reader.found, reader.variables


_OPENING = {"if", "then", "elif", "else", "while", "until", "do", "{", "}", "!", "coproc", "fi", "done", "esac"}
"""Words before a command that are none."""

_NAME = re.compile(r"[A-Za-z_]\w*")
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(?:\[[^]]*\])?\+?=(.*)", re.DOTALL)
_PLAIN = re.compile(r"[^\s\\'\"$`|&;()<>#{}~*?\[=]+")
_REDIRECTION = re.compile(r"(\d*|&)(<<<|<<-?|>>|>\||>&|<>|<&|>|<)")
_KEYWORD = re.compile(r"(\[\[|[{}!]|[a-z]+)(?=[\s;&|()]|$)")
_ANSI = re.compile(r"\$'((?:[^'\\]|\\.)*)'?", re.DOTALL)
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_FUNCTION = re.compile(r"[ \t]+[^\s(){};|&]+[ \t]*(\([ \t]*\))?")
_CLOSED = re.compile(r"\s*\)")


class Reader:
    """A cursor over one line of shell, which may have line breaks."""

    def __init__(self, text: str, cwd: str, variables: dict[str, list[str]], depth: int) -> None:
        self.text, self.at = text, 0
        self.cwd, self.variables, self.depth = cwd, variables, depth
        self.found: list[Command] = []
        self.nested = 0
        self.pending: list[tuple[Command, str, bool, bool]] = []
        """Here-documents announced on this line: reader, delimiter, tabs stripped, taken literally."""

    # --- lists ---------------------------------------------------------------------------------

    def list_until(self, end: str) -> list[Command]:
        """Read commands up to an unmatched `end` (a parenthesis) or the end of the text; returns those read."""
        first, pipe, cases = len(self.found), [], 0
        command, keywords = self._fresh(pipe), []
        while self.at < len(self.text) and len(self.found) < MOST:
            char = self.text[self.at]
            if char in " \t\r" or self.text.startswith("\\\n", self.at):
                self.at += 1 if char != "\\" else 2
            elif char == "#" and (self.at == 0 or self.text[self.at - 1] in " \t\n;&|()"):
                self.at = self._next("\n", self.at)
            elif self._redirection(command):
                continue
            elif char in ";&|\n":
                operator = "|" if char == "|" and not self.text.startswith("||", self.at) else ";"
                while self.at < len(self.text) and self.text[self.at] in ";&|" and char != "\n":
                    self.at += 1
                if char == "\n":
                    self.at += 1
                    self._here_documents()
                if char == "\n" and not (command.words or command.outputs or keywords):
                    continue  # a pipe goes on behind the line's end
                cases += self._finish(command, keywords)
                pipe = [] if operator == ";" else [*pipe, command] if command.words else pipe
                command, keywords = self._fresh(pipe), []
            elif char == "(":
                self.at += 1
                pipe = [*pipe, *self._parenthesis(command)]
            elif char == ")":
                self.at += 1
                if cases or "case" in keywords:  # a pattern
                    cases += "case" in keywords
                    command, keywords = self._fresh(pipe), []
                elif end == ")":
                    break
            elif not self._keyword(command, keywords):
                command.words += self._word()
        self._finish(command, keywords)
        return self.found[first:]

    def _fresh(self, pipe: list[Command]) -> Command:
        return Command(cwd=self.cwd, upstream=list(pipe))

    def _keyword(self, command: Command, keywords: list[str]) -> bool:
        """Take a reserved word where a command may begin."""
        if command.words:
            return False
        match = _KEYWORD.match(self.text, self.at)
        if match is None or keywords[-1:] in (["for"], ["select"], ["case"]):
            return False
        word = match[1]
        if word == "[[":
            self._condition("]]")
        elif word == "function" and (named := _FUNCTION.match(self.text, match.end())):
            self.at = named.end()
        elif word in ("for", "select", "case"):
            keywords.append(word)
            self.at = match.end()
        elif word in _OPENING:
            self.at = match.end()
            if word == "esac":
                keywords.append(word)
        else:
            return False
        return True

    def _finish(self, command: Command, keywords: list[str]) -> int:
        """Keep a command, follow its assignments and its change of folder; by how much `case` got deeper."""
        words, deeper = command.words, 0
        for keyword in keywords:
            if keyword in ("for", "select") and words:
                self.variables[words[0]] = [word for word in words[2:] if word]
                words.clear()
            elif keyword == "case":
                words.clear()
                deeper += 1
            elif keyword == "esac":
                deeper -= 1
        while words and (match := ASSIGNMENT.fullmatch(words[0])):
            if all(ASSIGNMENT.fullmatch(word) for word in words):
                self.variables[match[1]] = [match[2]]
            words.pop(0)
        while words and not words[0]:  # what an unknown expansion left
            words.pop(0)
        if words and words[0] in ("export", "declare", "local", "readonly", "typeset"):
            for word in words[1:]:
                if match := ASSIGNMENT.fullmatch(word):
                    self.variables[match[1]] = [match[2]]
        elif words and words[0] in ("cd", "pushd"):
            places = [word for word in words[1:] if not word.startswith("-")]
            if places or len(words) == 1:
                self.cwd = str(PurePath(self.cwd, places[0] if places else self._value("HOME", "~")))
        if words or command.outputs:
            self.found.append(command)
        return deeper

    def _parenthesis(self, command: Command) -> list[Command]:
        """Read what an opened parenthesis holds; the commands, if it is a group of some."""
        if command.words and (match := _CLOSED.match(self.text, self.at)):  # the name of a function
            self.at = match.end()
            command.words.clear()
        elif command.words and command.words[-1].endswith("=") and self.text[self.at - 2] == "=":
            self._array(command.words.pop()[:-1])
        elif self.nested >= NESTED:
            pass
        elif not command.words and self.text.startswith("(", self.at) and self.text.find("))", self.at) >= 0:
            self._condition("))")
        else:
            cwd, variables = self.cwd, dict(self.variables)
            self.nested += 1
            inner = self.list_until(")")
            self.nested -= 1
            self.cwd, self.variables = cwd, variables
            return inner
        return []

    def _condition(self, end: str) -> None:
        """Pass over a condition or arithmetic up to `end`, for the commands substituted in it."""
        start = self.at + len(end)
        stop = self._next(end, self.at)
        self.at = stop + len(end)
        self._substituted(self.text[start:stop])

    def _substituted(self, text: str) -> list[str]:
        """Read the commands substituted in a text; the values it takes."""
        if self.depth >= DEEPEST:
            return [""]
        reader = Reader(text, self.cwd, self.variables, self.depth + 1)
        values = reader._quoted("")
        self.found += reader.found
        return values

    def _array(self, name: str) -> None:
        values: list[str] = []
        while self.at < len(self.text) and self.text[self.at] != ")":
            if self.text[self.at] in " \t\r\n;&|(<>":
                self.at += 1
            else:
                values += self._word()
        self.at += 1
        self.variables[name] = values

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
        """One word as the words it becomes: several where it takes several values, none where it is empty."""
        values, is_literal, start = [""], True, self.at
        while self.at < len(self.text):
            char = self.text[self.at]
            if match := _PLAIN.match(self.text, self.at):
                values = [value + match[0] for value in values]
                self.at = match.end()
            elif char in " \t\r\n|&;()" or (char in "<>" and not self.text.startswith(("<(", ">("), self.at)):
                break
            elif char == "\\":
                values = [value + self.text[self.at + 1 : self.at + 2].replace("\n", "") for value in values]
                self.at += 2
            elif char == "'":
                end = self._next("'", self.at + 1)
                values = [value + self.text[self.at + 1 : end] for value in values]
                self.at, is_literal = end + 1, False
            elif char == '"':
                self.at += 1
                values, is_literal = _joined(values, self._quoted('"')), False
            elif char in "$`" or (char in "<>"):
                split = [part for value in self._expansion() for part in (value.split() or [""])]
                values = _joined(values, split or [""])
            elif char == "~" and self.at == start and self.text[self.at + 1 : self.at + 2] in ("", "/", " ", "\n", ";"):
                values = [self._value("HOME", "~")]
                self.at += 1
            else:
                values = [value + char for value in values]
                self.at += 1
        if self.at == start:  # nothing that a word may hold: never stand still
            self.at += 1
            return []
        if is_literal:
            values = [word for value in values for word in _braces(value)][:MOST_VALUES]
        return values

    def _quoted(self, end: str) -> list[str]:
        """The values of text in double quotes (or of a here-document) up to `end`."""
        values = [""]
        stop = re.compile(r'[\\"$`]' if end else r"[\\$`]")
        while self.at < len(self.text):
            match = stop.search(self.text, self.at)
            until = match.start() if match else len(self.text)
            values = [value + self.text[self.at : until] for value in values]
            self.at = until
            if match is None:
                break
            if match[0] == end:
                self.at += 1
                break
            if match[0] == "\\":
                escaped = self.text[until + 1 : until + 2]
                kept = {"\n": ""}.get(escaped, escaped if escaped in '$`"\\' else f"\\{escaped}")
                values = [value + kept for value in values]
                self.at += 2
            else:
                values = _joined(values, self._expansion(is_quoted=True))
        return values

    def _expansion(self, *, is_quoted: bool = False) -> list[str]:
        """The values of `$…`, a backquoted command or a process substitution; an unknown one is empty."""
        text, start = self.text, self.at
        if text.startswith("$((", start) and text.find("))", start) >= 0:
            self._condition("))")
            return ["0"]
        if text.startswith(("$(", "<(", ">("), start):
            self.at += 2
            return self._substitution(None)
        if text[start] == "`":
            end = start + 1
            while end < len(text) and text[end] != "`":
                end += 2 if text[end] == "\\" else 1
            self.at = end + 1
            return self._substitution(text[start + 1 : end].replace("\\`", "`"))
        if text.startswith(("$'", '$"'), start) and is_quoted:
            self.at += 1
            return ["$"]
        if match := _ANSI.match(text, start):
            self.at = match.end()
            return [_ansi(match[1])]
        if text.startswith('$"', start):
            self.at += 2
            return self._quoted('"')
        if text.startswith("${", start):
            end = self._closing_brace(start + 2)
            inner, self.at = text[start + 2 : end], end + 1
            match = _NAME.match(inner.lstrip("!#"))
            if match is None:
                return [""]
            default = re.match(r":?[-=+](.*)", inner[match.end() :], re.DOTALL)
            known = self.variables.get(match[0])
            if known is None or (default and inner[match.end() :].lstrip(":").startswith("+")):
                if default is None:
                    return [""]
                return self._substituted(default[1])
            return list(known)
        if match := _NAME.match(text, start + 1):
            self.at = match.end()
            if match[0] == "PWD":
                return [self.cwd]
            return list(self.variables.get(match[0], [""]))
        self.at = start + (2 if text[start + 1 : start + 2] in set("@*#?$!-0123456789") else 1)
        return ["" if self.at == start + 2 else "$"]

    def _substitution(self, text: str | None) -> list[str]:
        """Read a command substitution, here or from `text`; its output, where that is plain to see."""
        if self.depth >= DEEPEST:
            self.at = self.at if text is not None else len(self.text)
            return [""]
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
            return [""]
        words = inner[0].words
        match inner[0].name:
            case "echo" | "printf":
                return [" ".join(word for word in words[1:] if not re.fullmatch(r"-[neE]+|%s(\\n)?", word))]
            case "which" | "command" | "basename" | "realpath" | "readlink":
                return [words[-1]]
            case "pwd":
                return [inner[0].cwd]
        return [""]

    def _value(self, name: str, otherwise: str) -> str:
        return (self.variables.get(name) or [otherwise])[0]

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


def _joined(left: list[str], right: list[str]) -> list[str]:
    return [a + b for a in left for b in right][:MOST_VALUES]


def _braces(word: str) -> list[str]:
    """The words that braces make of one; of very many, the first."""
    words = [word]
    for _ in range(MOST_VALUES):
        made = [inner for one in words for inner in _innermost(one)][:MOST_VALUES]
        if made == words:
            break
        words = made
    return words


def _innermost(word: str) -> list[str]:
    match = _BRACES.search(word)
    if match is None:
        return [word]
    return [f"{word[: match.start()]}{part}{word[match.end() :]}" for part in match[1].split(",")]


def _ansi(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        if match[2]:
            return chr(int(match[2], 8) & 0xFF)
        return {"n": "\n", "t": "\t", "r": "\r"}.get(match[3], match[3])

    return re.sub(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|(.))", character, text, flags=re.DOTALL)
