"""Large things: logs, scripts and folders by the gigabyte or the ten thousand."""

import os
from pathlib import Path

from hostile.case import hostile


@hostile("a sparse log of a gigabyte")
def _(folder: Path) -> None:
    with (folder / "train_seed1.log").open("wb") as file:
        file.truncate(1 << 30)


@hostile("a log of one line with 300 MB")
def _(folder: Path) -> None:
    with (folder / "train_seed1.log").open("wb") as file:
        for _ in range(300):
            file.write(b"val_bpb:1.0 " * 83_333)


@hostile("logs of 11 MB, as large as are read", finds="")
def _(folder: Path) -> None:
    line = "step:1/9 train_loss:1.0 train_time:5ms step_avg:1ms lr:0.1 grad_norm:3.0 note:abc\n"
    for seed in (1, 2):
        log = folder / f"train_seed{seed}.log"
        log.write_text(line * (11_000_000 // len(line)) + log.read_text())


@hostile("a shell script of 100,000 settings", finds="")
def _(folder: Path) -> None:
    (folder / "run.sh").write_text("".join(f"A{number}=1\n" for number in range(100_000)) + "torchrun train_gpt.py\n")


@hostile("two thousand scripts that do not parse", finds="")
def _(folder: Path) -> None:
    for number in range(1_900):
        (folder / f"m{number}.py").write_text(f"import m{number + 1}\ndef f(:\n" + "x = 1\n" * 100)


@hostile("every text at its limit, of one line each", finds="review")
def _(folder: Path) -> None:
    for name in ("README.md", "train_gpt.py", "run.sh", "notes.txt", "kernel.cu"):
        (folder / name).write_text("val_bpb: 1.0 # n-gram TTT torchrun " * 110_000)


@hostile("twenty thousand files")
def _(folder: Path) -> None:
    for number in range(20_000):
        (folder / f"{number}.txt").write_text("x")


@hostile("two thousand scripts", finds="")
def _(folder: Path) -> None:
    for number in range(1_900):
        (folder / f"m{number}.py").write_text(f"from m{number + 1} import train\ndef train():\n    loss.backward()\n")


@hostile("ten thousand empty folders")
def _(folder: Path) -> None:
    for number in range(10_000):
        (folder / f"f{number}").mkdir()


@hostile("folders a thousand deep")
def _(folder: Path) -> None:
    here = os.open(folder, os.O_RDONLY)
    for _ in range(1_000):
        os.mkdir("d", dir_fd=here)
        inside = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inside
    os.close(here)
