"""What a shell line would run: its commands, freed from all that stands in front of them.

Behind `sudo`, `env`, `timeout`, `xargs`, `find -exec`, `bash -c` and their like stands another command, and
that one counts. What only running could tell (scripts on disk, aliases, computed text, text typed into
an open shell) is not seen.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping

from golf.hooks.shell import ASSIGNMENT, DEEPEST, Command, read


def commands(line: str, cwd: str, environment: Mapping[str, str] | None = None) -> list[Command]:
    """Every simple command that `line`, given in the folder `cwd`, would run; never raises for its syntax."""
    known = os.environ if environment is None else environment
    return _read(line, cwd, {name: [value] for name, value in known.items()}, 0)


def _read(line: str, cwd: str, variables: Mapping[str, list[str]], depth: int) -> list[Command]:
    if depth > DEEPEST:
        return []
    found, after = read(line, cwd, variables, depth)
    return [inner for command in found for inner in _unwrapped(command, after, depth)]


_WRAPPERS: dict[str, tuple[str, int]] = {
    "sudo": ("-u -g -h -p -C -r -t -T -U -D -R", 0),
    "doas": ("-u -C", 0),
    "env": ("-u --unset -C --chdir -S --split-string", 0),
    "timeout": ("-s --signal -k --kill-after", 1),
    "nohup": ("", 0),
    "nice": ("-n --adjustment", 0),
    "ionice": ("-c -n -p", 0),
    "stdbuf": ("-i -o -e", 0),
    "setsid": ("", 0),
    "time": ("-f -o --format --output", 0),
    "command": ("", 0),
    "builtin": ("", 0),
    "exec": ("-a", 0),
    "chronic": ("", 0),
    "unbuffer": ("", 0),
    "caffeinate": ("-t -w", 0),
    "flock": ("-w --timeout -E", 1),
    "chrt": ("-T -P -D", 1),
    "taskset": ("", 1),
    "watch": ("-n --interval", 0),
    "xargs": ("-I -i -n -P -L -d -a -s -E --max-args --max-procs --delimiter --arg-file --replace", 0),
    "busybox": ("", 0),
    "uvx": ("--from --with --python -p", 0),
    "pipx": ("--spec --python", 1),
    "npx": ("-p --package", 0),
}
"""Programs that run the command behind them: their options that take a value, and their own operands."""

_RUNNERS = ("uv", "poetry", "pipenv", "pdm", "hatch", "rye", "pixi", "conda", "mamba", "micromamba", "apptainer")
"""Programs whose `run` (or `exec`) runs the command behind it."""

_SEARCHED = (
    "docker",
    "podman",
    "nerdctl",
    "srun",
    "mpirun",
    "mpiexec",
    "systemd-run",
    "numactl",
    "parallel",
    "tmux",
    "screen",
)
"""Programs that run a command behind options too many to know: every word may be where it begins."""

SHELLS = ("bash", "sh", "zsh", "dash", "ksh", "ash", "fish")


def _unwrapped(command: Command, variables: Mapping[str, list[str]], depth: int) -> Iterator[Command]:
    words = command.words
    if depth > DEEPEST or not words:
        yield command
        return

    def inner(words: list[str], again: bool = True) -> Iterator[Command]:
        within = Command(command.cwd, words, command.outputs, command.inputs, command.stdin, command.upstream)
        if again:
            yield from _unwrapped(within, variables, depth + 1)
        else:
            yield within

    def script(text: str) -> Iterator[Command]:
        if command.outputs:
            yield Command(command.cwd, [], command.outputs)
        yield from _read(text, command.cwd, variables, depth + 1)

    name, rest = command.name, words[1:]
    if name in ("taskset", "chrt", "ionice") and any(re.match(r"-[a-zA-Z]*p|--pid", word) for word in rest):
        yield command  # it changes a process that runs already
    elif name in _WRAPPERS:
        behind = _behind(name, rest)
        if name == "xargs" and behind:
            behind = _with_piped(behind, command.upstream, _option(rest, "-I", "--replace") or _attached(rest, "-I"))
        if name == "command" and rest[:1] and rest[0] in ("-v", "-V"):
            yield command
        elif name == "env" and (split := _option(rest, "-S", "--split-string")) is not None:
            yield from script(split)
        elif name == "watch" or (name == "flock" and behind[:1] == ["-c"]):
            yield from script(" ".join(behind[1:] if name == "flock" else behind))
        elif behind:
            yield from inner(behind)
        else:
            yield command
    elif (
        name in _RUNNERS
        and (place := next((i for i, word in enumerate(rest) if word in ("run", "exec")), None)) is not None
    ):
        yield from inner(
            _skip_options(rest[place + 1 :], "-n --name -p --prefix --with --python --group --extra --project")
        )
    elif name == "eval":
        yield from script(" ".join(rest))
    elif name == "trap" and rest:
        yield from script(rest[0])
    elif name in ("su", "script", "runuser") and (text := _option(rest, "-c", "--command")) is not None:
        yield from script(text)
    elif name in SHELLS:
        yield from _shell(command, rest, script)
    elif name == "find":
        yield from _find(command, rest, inner)
    elif name in _SEARCHED:
        yield command
        for place, word in enumerate(rest):
            if " " in word:
                yield from script(word)
            else:
                yield from inner(rest[place:], word.rpartition("/")[2] in (*SHELLS, "env", "timeout", "sudo"))
    else:
        yield command


def _shell(command: Command, rest: list[str], script: Callable[[str], Iterator[Command]]) -> Iterator[Command]:
    """`bash -c TEXT`, a here-document, text that is piped in; a script on disk stays what it is."""
    is_text = False
    for place, word in enumerate(rest):
        if word.startswith(("-", "+")) and word != "-":
            is_text = is_text or re.fullmatch(r"-[a-zA-Z]*c[a-zA-Z]*", word) is not None
        elif place and re.fullmatch(r"[-+][a-zA-Z]*[oO]|--rcfile|--init-file", rest[place - 1]):
            continue
        elif is_text:
            arguments = " ".join(rest[place + 1 :])
            yield from script(arguments.join(re.split(r"\$\{?[@*\d]\}?", word)))
            return
        else:
            yield command
            return
    spoken = [above.words[1:] for above in command.upstream if above.name in ("echo", "printf")]
    written = [above.stdin for above in command.upstream if above.stdin and above.name in ("cat", "tee")]
    if command.stdin is not None:
        yield from script(command.stdin)
    elif spoken or written:
        yield from script("\n".join([*(" ".join(words).replace("\\n", "\n") for words in spoken), *written]))
    else:
        yield command


def _find(command: Command, rest: list[str], inner: Callable[[list[str]], Iterator[Command]]) -> Iterator[Command]:
    roots = []
    for word in rest:
        if word.startswith(("-", "(", "!")):
            break
        roots.append(word)
    patterns = [rest[i + 1] for i, word in enumerate(rest[:-1]) if word in ("-name", "-iname", "-path")]
    reached = [f"{root.rstrip('/')}/{pattern}" for root in roots or ["."] for pattern in patterns] or roots or ["."]
    yield command
    if "-delete" in rest:
        yield from inner(["rm", "-r", *reached])
    for place, word in enumerate(rest):
        if word in ("-exec", "-execdir", "-ok", "-okdir"):
            behind = []
            for part in rest[place + 1 :]:
                if part in (";", "+"):
                    break
                behind += reached if part == "{}" else [part]
            if behind:
                yield from inner(behind)


def _with_piped(words: list[str], upstream: list[Command], mark: str | None) -> list[str]:
    """What xargs runs: `words`, and the words of the commands before the pipe for what they print."""
    piped = [word for above in upstream for word in above.words[1:]]
    if mark is None:
        return [*words, *piped]
    return [
        made for word in words for made in ([word.replace(mark, item) for item in piped] if mark in word else [word])
    ]


def _behind(name: str, rest: list[str]) -> list[str]:
    takes, operands = _WRAPPERS[name]
    left = _skip_options(rest, takes)
    while name in ("env", "sudo", "doas") and left and (ASSIGNMENT.fullmatch(left[0]) or left[0] == "-"):
        left = left[1:]
    return left[operands:]


def _skip_options(rest: list[str], takes: str) -> list[str]:
    place, valued = 0, takes.split()
    while place < len(rest) and rest[place].startswith("-") and rest[place] != "-":
        if rest[place] == "--":
            return rest[place + 1 :]
        place += 2 if rest[place] in valued else 1
    return rest[place:]


def _option(rest: list[str], *names: str) -> str | None:
    for place, word in enumerate(rest[:-1]):
        if word in names:
            return rest[place + 1]
    return None


def _attached(rest: list[str], option: str) -> str | None:
    return next((word.removeprefix(option) for word in rest if word.startswith(option) and word != option), None)


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
        else:
            return word.rpartition("/")[2]
    return ""


def golf_verb(command: Command) -> tuple[str, list[str]] | None:
    """The verb of a `golf` command, however it is started, and all its words; no verb where it asks for help."""
    words = command.words
    if module_of(command) in ("golf", "golf.cli", "golf.cli.__main__"):
        words = words[words.index("-m") + 1 :]
    elif script_of(command) == "golf":
        words = words[next(at for at, word in enumerate(words) if word.rpartition("/")[2] == "golf") :]
    elif command.name != "golf":
        return None
    if {"-h", "--help", "--version"} & set(words):
        return "", []
    return next((word for word in words[1:] if not word.startswith("-")), ""), words[1:]
