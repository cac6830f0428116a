"""Files that are no files: links, pipes, closed folders, odd names, and what changes while it is read."""

import contextlib
import os
import socket
from pathlib import Path

from hostile.case import CANARY, CLOSED, hostile


@hostile("links in circles")
def _(folder: Path) -> None:
    (folder / "self").symlink_to(folder)
    (folder / "self.md").symlink_to("self.md")
    (folder / "inside").mkdir()
    (folder / "inside" / "up").symlink_to("..")


@hostile("links out of the folder")
def _(folder: Path) -> None:
    secret = folder.parent / "secret"
    secret.write_text(f"# {CANARY}\nval_bpb: 1.0 {CANARY}\n" * 9)
    for name in ("README.md", "train_gpt.py", "train_seed9.log", "submission_x.json", "run.sh", "z.txt"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(secret)


@hostile("a link to a device")
def _(folder: Path) -> None:
    (folder / "train_seed9.log").symlink_to("/dev/zero")


@hostile("pipes and sockets")
def _(folder: Path) -> None:
    for name in ("train_seed9.log", "helper.py", "NOTES.md"):
        os.mkfifo(folder / name)
    here = Path.cwd()
    os.chdir(folder)  # a socket's path may have 107 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.json")
    os.chdir(here)


@hostile("names with line ends, terminal codes and bytes of no text", finds="note")
def _(folder: Path) -> None:
    for name in (
        b"a\nb.md",
        b"\x1b]0;owned\x07.py",
        b"\xff\xfe\xed\xa0\x80.log",
        b"\xe2\x80\xae.txt",
        b"-rf *;$(id).sh",
        b"n" * 250,
    ):
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:
            file.write(b"import os\n")


@hostile("a folder that is " + CLOSED)
def _(folder: Path) -> None:
    (folder / "logs").mkdir()
    (folder / "logs").chmod(0)


@hostile("all of it " + CLOSED)
def _(folder: Path) -> None:
    folder.chmod(0)


@hostile("a script " + CLOSED)
def _(folder: Path) -> None:
    (folder / "train_gpt.py").chmod(0)


def _churn(folder: Path) -> None:
    """Swap the files for other things and back, as fast as it goes."""
    path, aside = folder / "train_gpt.py", folder.parent / f"{folder.name}.aside"
    with contextlib.suppress(OSError):
        path.rename(aside)
        os.mkfifo(path)
        path.unlink()
        path.symlink_to("/dev/zero")
        path.unlink()
        path.mkdir()
        path.rmdir()
        aside.rename(path)
        with (folder / "train_seed1.log").open("r+b") as log:
            log.truncate(0)
            log.truncate(1 << 30)


@hostile("files that turn into others while they are read", finds="any", while_read=_churn)
def _(folder: Path) -> None:
    for number in range(300):
        (folder / f"n{number}.txt").write_text("x\n" * 2_000)


def _vanish(folder: Path) -> None:
    for path in sorted(folder.glob("n*"))[:20]:
        with contextlib.suppress(OSError):
            path.unlink()


@hostile("files that vanish while they are read", finds="any", while_read=_vanish)
def _(folder: Path) -> None:
    for number in range(1_500):
        (folder / f"n{number}.txt").write_text("x\n" * 200)
