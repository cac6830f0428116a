"""What would rather not be read: code in texts, data, libraries and decoys."""

import base64
import lzma
import random
from pathlib import Path

from hostile.case import hostile
from hostile.honest import TRAINER
from hostile.packed import packing


def concealing(name: str, script: str, finds: str = "UNREADABLE", **files: str) -> None:
    """A case whose trainer runs what is elsewhere; `_` before an ending stands for a dot."""

    def build(folder: Path) -> None:
        (folder / "train_gpt.py").write_text(f"{TRAINER}\n{script}\n")
        for file, text in files.items():
            stem, _, ending = file.rpartition("_")
            (folder / f"{stem}.{ending}").write_text(text)

    hostile(name, finds)(build)


CODE = "import torch\nmodel.load_state_dict({})\n" * 9
concealing("code in a text", "exec(open('notes.txt').read())", notes_txt=CODE)
concealing("code in data", "import marshal\nexec(marshal.loads(open('table.dat', 'rb').read()))", table_dat=CODE)
concealing("code in the README", "exec(open('README.md').read().split('~')[1])")
concealing("code in submission.json", "import json\nexec(json.load(open('submission.json'))['name'])")
concealing("code in a list of numbers", f"exec(bytes({list(CODE.encode())}).decode())")
concealing("code in a library", "import ctypes\nctypes.CDLL('./fast.so')", fast_so="ELF")
concealing("code in a library under another name", "import ctypes\nctypes.CDLL('./fast.dat')", fast_dat="ELF")
concealing("code in a pickle", "torch.load('final_model.pt', weights_only=False)", final_model_pt="x")
concealing("code in .git", "import runpy\nrunpy.run_path('.git/x')")
concealing("code by another name", "run = exec\nrun(input())")
concealing("code that no parser reads", "import helper", helper_py="a" + ".a" * 1_000 + "\n")
concealing("code that a shell starts", "", run_sh="torchrun notes.txt\n", notes_txt=CODE)
concealing("a decoy in capitals", "", Train_gpt_py=TRAINER * 2)


@hostile("a decoy payload beside one that stays shut")
def _(folder: Path) -> None:
    shut = base64.b85encode(random.Random(1).randbytes(9_000)).decode()
    opened = packing(lzma.compress(TRAINER.encode()), "lzma.decompress")
    (folder / "train_gpt.py").write_text(f"{opened}\nexec(decode({shut!r}))\n")
