"""What a shell line would run: its commands, freed from all that stands in front of them.

Behind `sudo`, `env`, `timeout`, `xargs`, `find -exec`, `bash -c` and their like stands another command, and
that one counts. What only running could tell (scripts on disk, aliases, computed text, containers, text typed
into an open shell) is not seen.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping

from golf.hooks.shell import ASSIGNMENT, DEEPEST, Command, read


def commands(line: str, cwd: str, environment: Mapping[str, str] | None = None) -> list[Command]:
    """Every simple command that `line`, given in the folder `cwd`, would run; never raises for its syntax."""
    return _read(line, cwd, os.environ if environment is None else environment, 0)


def _read(line: str, cwd: str, variables: Mapping[str, str], depth: int) -> list[Command]:
    if depth > DEEPEST:
        return []
    found, after = read(line, cwd, variables, depth)
    return [inner for command in found for inner in _unwrapped(command, after, depth)]


_WRAPPERS: dict[str, str] = {
    "sudo": "-u -g -h -p -C -r -t -T -U -D -R",
    "env": "-u --unset -C --chdir",
    "timeout": "-s --signal -k --kill-after",
    "nohup": "",
    "nice": "-n --adjustment",
    "time": "-f -o --format --output",
    "stdbuf": "-i -o -e",
    "exec": "-a",
    "watch": "-n --interval",
    "xargs": "-I -n -P -L -d -a -s -E --max-args --max-procs --delimiter --arg-file",
}
"""Programs that run the command behind them, and their options that take a value."""

_RUNNERS = ("uv", "poetry", "pipenv", "pdm", "hatch", "pixi", "conda", "mamba")
"""Programs whose `run` runs the command behind it."""

SHELLS = ("bash", "sh", "zsh", "dash", "ksh")


def _unwrapped(command: Command, variables: Mapping[str, str], depth: int) -> Iterator[Command]:
    words = command.words
    if depth > DEEPEST or not words:
        yield command
        return

    def inner(words: list[str]) -> Iterator[Command]:
        within = Command(command.cwd, words, command.outputs, command.inputs, command.stdin, command.upstream)
        yield from _unwrapped(within, variables, depth + 1)

    def script(text: str) -> Iterator[Command]:
        if command.outputs:
            yield Command(command.cwd, [], command.outputs)
        yield from _read(text, command.cwd, variables, depth + 1)

    name, rest = command.name, words[1:]
    if name in _WRAPPERS:
        behind = _skip_options(rest, _WRAPPERS[name])
        while name in ("env", "sudo") and behind and ASSIGNMENT.fullmatch(behind[0]):
            behind = behind[1:]
        if name == "timeout":
            behind = behind[1:]
        if name == "xargs" and behind and not any(word.startswith("-I") for word in rest):
            behind = [*behind, *(word for above in command.upstream for word in _printed(above))]
        if name == "watch":
            yield from script(" ".join(behind))
        else:
            yield from inner(behind) if behind else [command]
    elif name in _RUNNERS and "run" in rest:
        behind = rest[rest.index("run") + 1 :]
        yield from inner(_skip_options(behind, "-n --name -p --prefix --with --python --group --extra --project"))
    elif name == "eval":
        yield from script(" ".join(rest))
    elif name in SHELLS:
        yield from _shell(command, rest, script)
    elif name == "find":
        yield command
        if "-delete" in rest and not {"-empty", "d"} & set(rest):  # empty folders are no loss
            yield from inner(["rm", *reached(rest)])
        for place, word in enumerate(rest):
            if word in ("-exec", "-execdir", "-ok"):
                behind = [part for part in rest[place + 1 :] if part]
                end = next((at for at, part in enumerate(behind) if part in (";", "+")), len(behind))
                paths = reached(rest)
                yield from inner([made for part in behind[:end] for made in (paths if part == "{}" else [part])])
    else:
        yield command


def _shell(command: Command, rest: list[str], script: Callable[[str], Iterator[Command]]) -> Iterator[Command]:
    """`bash -c TEXT`, a here-document, text that is piped in; a script on disk stays what it is."""
    is_text = False
    for place, word in enumerate(rest):
        if word.startswith(("-", "+")) and word != "-":
            is_text = is_text or re.fullmatch(r"-[a-zA-Z]*c[a-zA-Z]*", word) is not None
        elif place and re.fullmatch(r"[-+][a-zA-Z]*[oO]", rest[place - 1]):
            continue
        elif is_text:
            arguments = " ".join(rest[place + 1 :])
            yield from script(arguments.join(re.split(r"\$\{?[@*\d]\}?", word)))
            return
        elif word != "-":
            yield command
            return
    text = given(command)
    yield from [command] if text is None else script(text)


def given(command: Command) -> str | None:
    """What a command reads from its input, where that stands on the line: a here-document, or text piped in."""
    if command.stdin is not None:
        return command.stdin
    texts = []
    for above in command.upstream:
        if above.name in ("echo", "printf"):
            words = [word for word in above.words[1:] if not re.fullmatch(r"-[neE]+|%s(\\n)?", word)]
            texts.append(" ".join(words).replace("\\n", "\n"))
        elif above.name in ("cat", "tee") and above.stdin is not None:
            texts.append(above.stdin)
    return "\n".join(texts) if texts else None


def reached(rest: list[str]) -> list[str]:
    """The paths that the arguments of `find` reach; `**` stands for any folders."""
    roots = rest[: next((at for at, word in enumerate(rest) if word.startswith(("-", "(", "!"))), len(rest))]
    paths = [rest[at + 1] for at, word in enumerate(rest[:-1]) if word in ("-path", "-wholename")]
    names = [rest[at + 1] for at, word in enumerate(rest[:-1]) if word in ("-name", "-iname")]
    return paths or [f"{root.rstrip('/')}/**/{name}" for root in roots or ["."] for name in names or ["*"]]


def _printed(command: Command) -> list[str]:
    """The words that the output of a command may hold."""
    return reached(command.words[1:]) if command.name == "find" else command.words[1:]


def _skip_options(rest: list[str], takes: str) -> list[str]:
    place, valued = 0, takes.split()
    while place < len(rest) and rest[place].startswith("-"):
        if rest[place] == "--":
            return rest[place + 1 :]
        place += 2 if rest[place] in valued else 1
    return rest[place:]


# --- whose command it is -----------------------------------------------------------------------

PYTHON = re.compile(r"(python|pypy|ipython)[\d.]*")


def module_of(command: Command) -> str:
    """The module that `python -m` runs; empty for anything else."""
    words = command.words
    if not PYTHON.fullmatch(command.name) or "-m" not in words[:-1] or "-c" in words:
        return ""
    return words[words.index("-m") + 1]


def script_of(command: Command) -> str:
    """The file name of the Python script a command runs; empty where it runs none."""
    if not PYTHON.fullmatch(command.name):
        return command.name if command.name.endswith(".py") else ""
    skips = False
    for word in command.words[1:]:
        if skips or (word.startswith("-") and word != "-"):
            if word in ("-c", "-m"):
                return ""
            skips = not skips and word in ("-X", "-W")
        elif word != "-":
            return word.rpartition("/")[2]
    return command.inputs[0].rpartition("/")[2] if command.inputs else ""


def golf_verb(command: Command) -> tuple[str, list[str]] | None:
    """The verb of a `golf` command, however it is started, and all its words; no verb where it asks for help."""
    words = command.words
    if module_of(command) in ("golf", "golf.cli", "golf.cli.__main__"):
        words = words[words.index("-m") + 1 :]
    elif script_of(command) == "golf":
        words = words[next((at for at, word in enumerate(words) if word.rpartition("/")[2] == "golf"), 0) :]
    elif command.name != "golf":
        return None
    if {"-h", "--help", "--version"} & set(words):
        return "", []
    return next((word for word in words[1:] if not word.startswith("-")), ""), words[1:]
