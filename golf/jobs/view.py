"""What a confined process sees of the disk: the interpreter, the system's libraries, what it is shown, and no more.

A list of secrets to hide is never complete, and a text lies where nobody thought of: another checkout, a download, a
log. So everything is absent but what is named here. Nobody puts texts into the system's own folders or among an
interpreter's libraries; who can has no need of a scorer.
"""

import functools
import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import golf
from golf.environment import inherited

SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store", "/sys", "/proc"),
    *("/dev", "/run/opengl-driver", "/opt/rocm"),
    *(f"/etc/{name}" for name in ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime")),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf"),  # names of users; no passwords are in it
)
"""Programs, libraries and what the kernel tells, as far as they are there."""

_PARTS = ("bin", "include", "lib", "lib32", "lib64", "nvvm", "pyvenv.cfg", "share", "targets")
"""Of the folder an interpreter is installed in: it may be somebody's home."""

_ASK = "import json, sys as s; print(json.dumps([s.prefix, s.base_prefix, s.exec_prefix, s.executable, s.path]))"


def program(python: str) -> str:
    """A Python by the path that needs nothing on the way to it: no wrapper script, no `..`."""
    itself = _interpreter(python)
    return str(itself[0]) if itself else python


def of(python: str, shown: Iterable[Path]) -> tuple[list[str], dict[str, str]]:
    """Folders and files to show, outermost first and none within another; and symbolic links that lead to them."""
    links: dict[str, str] = {}
    real = {
        place
        for path in (*map(Path, SYSTEM), *_interpreter(python), Path(golf.__file__).parent, *shown)
        for place in _followed(path, links)
    }
    places = sorted(str(place) for place in real if real.isdisjoint(place.parents) and place != Path("/"))
    return places, {link: to for link, to in links.items() if real.isdisjoint(Path(link).parents)}


@functools.cache
def _interpreter(python: str) -> tuple[Path, ...]:
    """A Python, where it is installed, where its libraries are; nothing where it does not start: then nothing will."""
    env = {key: value for key, value in inherited().items() if key != "PYTHONPATH"}
    try:
        said = subprocess.run(
            [python, "-c", _ASK], capture_output=True, env=env, cwd="/", timeout=60, check=True
        ).stdout
        *prefixes, executable, path = json.loads(said.splitlines()[-1])
        plain = os.path.normpath(executable)
        executable = plain if Path(plain).samefile(executable) else executable
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return ()
    installed = [Path(prefix, part) for prefix in dict.fromkeys(prefixes) for part in _PARTS]
    libraries = [Path(entry) for entry in path if Path(entry).name == "site-packages"]  # a user's own, no checkout
    libraries += [Path(entry) for entry in env.get("LD_LIBRARY_PATH", "").split(":") if entry.startswith("/")]
    return (Path(executable), *installed, *libraries)


def _followed(path: Path, links: dict[str, str]) -> Iterator[Path]:
    """Where a path leads, noting the links on the way; nothing where it leads nowhere."""
    todo, here = list(path.absolute().parts[:0:-1]), Path("/")
    for _ in range(256):
        if not todo:
            yield from [here] if os.path.lexists(here) else []
            return
        part = todo.pop()
        here = here.parent if part == ".." else here / part
        if part != ".." and os.path.islink(here):  # noqa: PTH114 # never raises
            to = links[str(here)] = os.readlink(here)  # noqa: PTH115 # the text as it stands, not made a path
            here = Path("/") if to.startswith("/") else here.parent
            todo += [step for step in reversed(Path(to).parts) if step != "/"]
