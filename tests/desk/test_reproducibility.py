"""A script's defects by file and line, and none on a clean one (S72); comments in the fixtures say what is where."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.cli import main
from golf.desk.repro import determinism, ordering, randomness, reproducibility
from golf.errors import NotFound, UnreadableInput

CLEAN = {
    "train.py": '''\
"""A trainer that does everything right."""
import argparse
import glob
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from lab.seeding import seed_worker, set_seed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    set_seed(args.seed)
    model = nn.Conv2d(1, 8, 3).to("cuda")
    files = sorted(glob.glob("data/*.bin"))
    vocab = {word: index for index, word in enumerate(sorted(set(open(files[0]).read().split())))}
    order = random.sample(range(10), 3) + list(np.random.permutation(4)) + [len(set(vocab))]
    loader = DataLoader(
        order, shuffle=True, num_workers=2, worker_init_fn=seed_worker, generator=torch.Generator().manual_seed(1)
    )
    for batch in loader:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            model(batch)


if __name__ == "__main__":
    main()
''',
    "lab/__init__.py": "",
    "lab/seeding.py": """\
import os
import random

os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"

import numpy as np
import torch


def set_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def seed_worker(worker_id):
    seed = torch.initial_seed() % 2**32
    np.random.seed(seed)
    random.seed(seed)
""",
    "requirements.txt": "# pinned\ntorch==2.13.0\nnumpy==2.4.1 --hash=sha256:0 \\\n  --hash=sha256:1\n",
}

DEFECTS: dict[str, str] = {
    "torch": "import torch\nx = torch.randn(3)  # SEED_TORCH\n",
    "a layer is a draw": "from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n"
    "        self.fc = nn.Linear(3, 3)  # SEED_TORCH\nNet()\n",
    "cuda": 'import torch\nx = torch.ones(3).to("cuda")  # SEED_CUDA NOT_DETERMINISTIC CUBLAS_WORKSPACE\n'
    "torch.nn.Dropout(0.1)  # SEED_TORCH\n",
    "cuda seeded, cpu not": 'import torch\ntorch.cuda.manual_seed_all(1)\n'
    "x = torch.randn(3)  # SEED_TORCH\n",
    "numpy": "import numpy as np\nx = np.random.rand(3)  # SEED_NUMPY\n",
    "numpy by another name": "from numpy.random import rand as draw\nx = draw(3)  # SEED_NUMPY\n",
    "sklearn": "from sklearn.model_selection import train_test_split\na, b = train_test_split([1, 2])  # SEED_NUMPY\n",
    "random": "import random\nx = [1, 2]\nrandom.shuffle(x)  # SEED_RANDOM\n",
    "mlx": "import mlx.core as mx\nx = mx.random.normal((3,))  # SEED_MLX\n",
    "tensorflow": "import tensorflow as tf\nx = tf.random.normal((3,))  # SEED_TENSORFLOW\n",
    "a helper that nobody calls": "import random\ndef set_seed(s):\n    random.seed(s)\n"
    "x = random.random()  # SEED_RANDOM\n",
    "time": "import random, time\nseed = int(time.time())\nrandom.seed(seed)  # SEED_VARIES\nrandom.random()\n",
    "time through a helper": "import random, time\ndef set_seed(s):\n    random.seed(s)  # SEED_VARIES\n"
    "set_seed(int(time.time()) % 1000)\nrandom.random()\n",
    "entropy": "import numpy as np\nrng = np.random.default_rng()  # SEED_VARIES\n",
    "torch's own entropy": "import torch\ntorch.manual_seed(1)\ntorch.seed()  # SEED_VARIES\ntorch.randn(1)\n",
    "its own draw": "import random\nrandom.seed(random.randint(1, 9))  # SEED_VARIES\n",
    "a default of time": "import argparse, os, torch\np = argparse.ArgumentParser()\n"
    'p.add_argument("--seed", type=int, default=os.getpid())\nargs = p.parse_args()\n'
    "torch.manual_seed(args.seed)  # SEED_VARIES\n",
    "no default": 'import argparse, torch\np = argparse.ArgumentParser()\n'
    'p.add_argument("--seed", type=int)  # SEED_OPTIONAL\nargs = p.parse_args()\nif args.seed is not None:\n'
    "    torch.manual_seed(args.seed)\n",
    "benchmark": 'import torch\ntorch.manual_seed(1)\ntorch.use_deterministic_algorithms(True)  # CUBLAS_WORKSPACE\n'
    'torch.backends.cudnn.benchmark = True  # CUDNN_BENCHMARK\nx = torch.ones(3, device="cuda")\n',
    "deterministic off": 'import torch\nfrom torch.backends import cudnn\ntorch.manual_seed(1)\n'
    "torch.use_deterministic_algorithms(False)  # NOT_DETERMINISTIC\n"
    'cudnn.deterministic = False  # CUDNN_DETERMINISTIC\nx = torch.ones(3).cuda()  # CUBLAS_WORKSPACE\n',
    "convolutions": 'import torch\ntorch.manual_seed(1)\n'
    'device = torch.device("cuda")  # NOT_DETERMINISTIC CUBLAS_WORKSPACE\n'
    "net = torch.nn.Conv2d(1, 1, 3)  # CUDNN_DETERMINISTIC\ntorch.backends.cuda.matmul.allow_tf32 = True  # TF32\n",
    "a wrong workspace": 'import os\nos.environ["CUBLAS_WORKSPACE_CONFIG"] = ":1:1"\nimport torch\n'
    'torch.use_deterministic_algorithms(True)  # CUBLAS_WORKSPACE\nx = torch.ones(3).cuda()\n',
    "workers": "import torch\nfrom torch.utils.data import DataLoader\ntorch.manual_seed(1)\n"
    "d = DataLoader([1], shuffle=True, num_workers=4)  # LOADER_WORKERS LOADER_GENERATOR\n",
    "an unseeded loader": "from torch.utils.data import DataLoader\n"
    "d = DataLoader([1], 1, True)  # LOADER_GENERATOR\n"
    "d2 = DataLoader([1], shuffle=True)  # LOADER_GENERATOR SEED_TORCH\n",
    "half": "import torch\ntorch.manual_seed(1)\nmodel = torch.nn.Linear(1, 1).half()  # HALF_BY_HAND\n",
    "amp": "import torch\nscaler = torch.cuda.amp.GradScaler()  # AMP_DEPRECATED\n",
    "amp imported": "from torch.cuda.amp import autocast  # AMP_DEPRECATED\nwith autocast():\n    pass\n",
    "listdir": 'import os\nfor name in os.listdir("d"):  # FILE_ORDER\n    x = read(name)\n    y[name] = x\n',
    "path glob": 'from pathlib import Path\nfiles = list(Path("d").glob("*"))  # FILE_ORDER\nx = files[0]\n',
    "a set": 'words = set(open("t").read().split())\nindex = {word: n for n, word in enumerate(words)}  # SET_ORDER\n',
    "a set by list": 'labels = list({line.strip() for line in open("t")})  # SET_ORDER\n',
    "hash": 'import sys\nbucket = hash(sys.argv[1]) % 10  # HASH_ORDER\n',
    "hash seed set too late": 'import os, sys\nos.environ["PYTHONHASHSEED"] = "0"\n'
    "bucket = hash(sys.argv[1]) % 10  # HASH_ORDER\n",
    "what is ready first": "from concurrent.futures import as_completed\n"
    "r = [f.result() for f in as_completed(fs)]  # TIME_ORDER\n",
    "the clock": "import time\nstart = time.time()\nwhile True:\n    gone = time.time() - start\n"
    "    if gone > 600:  # CLOCK_ENDS\n        break\n",
}  # fmt: skip

HARMLESS: dict[str, str] = {
    "sorted later": 'import os\nfiles = os.listdir("d")\nfiles.sort()\nfor f in files:\n    y[f] = 1\n',
    "counted": 'from pathlib import Path\nn = len(list(Path("d").glob("*")))\nprint(n)\n',
    "deleted": 'import os\nfor f in os.listdir("d"):\n    os.remove(f)\n',
    "sorted by the caller": 'import glob\ndef find():\n    return glob.glob("*.bin")\nfiles = sorted(find())\n',
    "filled, then sorted": 'import os\nfound = []\nfor f in os.listdir("d"):\n    found.append(f)\nx = sorted(found)\n',
    "a set of numbers": "for n in {1, 2, 3}:\n    x.append(n)\nfor n in set(range(4)):\n    x.append(n)\n"
    "y = [n for n in {p.numel() for p in x}]\n",
    "membership": 's = set(open("t").read())\nok = "a" in s and len(s) > 2\nthere = [w for w in x if w in s]\n',
    "hash of a class": "class A:\n    def __hash__(self):\n        return hash(self.name)\n",
    "a generator of its own": "import random, numpy as np\nr = random.Random(3)\nr.random()\n"
    "g = np.random.default_rng(3)\ng.normal()\n",
    "a torch generator": "import torch\ng = torch.Generator()\nx = torch.randn(3, generator=g)\n",
    "constants": "import torch\nx = torch.zeros(3)\ntorch.nn.init.zeros_(x)\ny = torch.nn.LayerNorm(3)\n",
    "a clock that only prints": "import time\nlast = time.time()\nfor n in range(9):\n    if time.time() - last > 5:\n"
    "        print(n)\n",
    "half for storage": 'import torch\ntorch.save({"w": w.half()}, "m.pt")\nz = w.detach().cpu().half()\n',
    "lightning": "import lightning as L, torch, random\nL.seed_everything(1, workers=True)\n"
    "model = torch.nn.Linear(1, 1)\nrandom.random()\n"
    "from torch.utils.data import DataLoader\nd = DataLoader([1], num_workers=2)\n",
    "transformers": "from transformers import set_seed\nimport torch, numpy as np\nset_seed(3)\n"
    "torch.randn(3)\nnp.random.rand()\n",
    "accelerate": "from accelerate.utils import set_seed as fix\nimport random\nfix(3)\nrandom.random()\n",
    "from the environment": 'import os, torch\ntorch.manual_seed(int(os.environ.get("SEED", "1")))\ntorch.randn(3)\n',
    "a rank's own seed": "import torch\ntorch.manual_seed(1337 + rank)\nx = torch.randn(3)\n",
    "what nobody calls": "import random\ndef unused():\n    return random.random()\n",
    "sklearn's own seed": "from sklearn.model_selection import train_test_split\n"
    "a, b = train_test_split([1, 2], random_state=3)\n",
}  # fmt: skip

Repository = Callable[[dict[str, str]], Path]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Files of a repository of its own."""

    def make(files: dict[str, str]) -> Path:
        for name, text in files.items():
            (tmp_path / "repo" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "repo" / name).write_text(text)
        return tmp_path / "repo"

    return make


PINNED = {"requirements.txt": "torch==2.13.0\n"}


def found(path: Path) -> set[tuple[str, str, int]]:
    return {(one.code, one.file, one.line) for one in reproducibility.audit(path).findings}


def marked(name: str, text: str) -> set[tuple[str, str, int]]:
    lines = enumerate(text.splitlines(), 1)
    return {
        (code, name, number) for number, line in lines if "  # " in line for code in line.split("  # ")[1].split()
    }  # fmt: skip


def test_s72_a_clean_repository_has_no_finding(repository: Repository) -> None:
    root = repository(CLEAN)
    for path in (root / "train.py", root):
        done = reproducibility.audit(path)
        assert (done.findings, done.not_read, done.num_files) == ([], {}, 3)
        assert done.is_clean


@pytest.mark.parametrize("defect", DEFECTS)
def test_s72_each_defect_is_found_at_its_file_and_line_and_nothing_else(repository: Repository, defect: str) -> None:
    root = repository({**PINNED, "train.py": DEFECTS[defect]})
    assert found(root / "train.py") == marked("train.py", DEFECTS[defect])


@pytest.mark.parametrize("case", HARMLESS)
def test_s72_what_repeats_is_no_finding(repository: Repository, case: str) -> None:
    root = repository({**PINNED, "train.py": HARMLESS[case]})
    assert found(root / "train.py") == set()


def test_s72_the_table_of_defects_has_every_code() -> None:
    modules = (randomness, determinism, ordering)
    source = "".join(Path(str(module.__file__)).read_text() for module in modules)
    audited = re.findall(r'"((?:CUDNN|LOADER|AMP|HALF|FILE|SET|HASH|TIME|CLOCK|CUBLAS|NOT|SEED)_[A-Z_]+|TF32)"', source)
    tested = {code for text in DEFECTS.values() for code, _, _ in marked("x", text)}
    assert set(audited) - {"CUBLAS_WORKSPACE_CONFIG"} <= tested


@pytest.mark.parametrize(
    ("line", "instead", "codes"),
    [
        ("set_seed(args.seed)", "pass", {"SEED_TORCH", "SEED_CUDA", "SEED_NUMPY", "SEED_RANDOM", "NOT_DETERMINISTIC",
                                         "CUDNN_DETERMINISTIC"}),
        ("type=int, default=1", "type=int", {"SEED_OPTIONAL"}),
        ("default=1", "default=id(main)", {"SEED_VARIES"}),
        ("    random.seed(seed)\n    np", "    np", {"SEED_RANDOM"}),
        ("    np.random.seed(seed)\n    torch", "    torch", {"SEED_NUMPY"}),
        ("torch.manual_seed(seed)", "pass", {"SEED_TORCH", "SEED_CUDA"}),
        ("torch.use_deterministic_algorithms(True)", "pass", {"NOT_DETERMINISTIC", "CUDNN_DETERMINISTIC"}),
        ("cudnn.benchmark = False", "cudnn.benchmark = True", {"CUDNN_BENCHMARK"}),
        ('"CUBLAS_WORKSPACE_CONFIG"', '"ANOTHER"', {"CUBLAS_WORKSPACE"}),
        ("sorted(glob.glob(\"data/*.bin\"))", "glob.glob(\"data/*.bin\")", {"FILE_ORDER"}),
        ("enumerate(sorted(set(open(files[0]).read().split())))", "enumerate(set(open(files[0]).read().split()))",
         {"SET_ORDER"}),
        ("worker_init_fn=seed_worker, ", "", {"LOADER_WORKERS"}),
        (", generator=torch.Generator().manual_seed(1)", "", {"LOADER_GENERATOR"}),
        ("torch.autocast", "torch.cuda.amp.autocast", {"AMP_DEPRECATED"}),
        ("model(batch)", "model(batch.half())", {"HALF_BY_HAND"}),
        ("numpy==2.4.1", "numpy>=2", {"UNPINNED"}),
    ],
)  # fmt: skip
def test_s72_the_clean_repository_with_one_line_changed_is_clean_no_more(
    repository: Repository, line: str, instead: str, codes: set[str]
) -> None:
    changed = {name: text.replace(line, instead) for name, text in CLEAN.items()}
    assert changed != CLEAN
    assert {code for code, _, _ in found(repository(changed) / "train.py")} == codes


def test_s72_imports_are_followed_relative_absolute_and_through_packages(repository: Repository) -> None:
    root = repository(
        {
            **PINNED,
            "scripts/train.py": "import lab.data\nfrom lab import net\nimport beside\n",
            "scripts/beside.py": "import random\nrandom.random()  # SEED_RANDOM\n",
            "lab/__init__.py": "from .inner import deep\n",
            "lab/inner/__init__.py": "",
            "lab/inner/deep.py": "from ...lab import other\nfrom ..other import x\nl = list(set(x))  # SET_ORDER\n",
            "lab/other.py": 'x = open("t").read()\nfrom .inner import deep\n',
            "lab/data.py": 'import os\nfiles = [f for f in os.listdir(".")]  # FILE_ORDER\nfirst = files[0]\n',
            "lab/net.py": "import torch\ntorch.randn(1)  # SEED_TORCH\n",
            "lab/unrelated.py": "import numpy as np\nnp.random.rand()\n",
            ".git/config": "",
        }
    )
    expected = set().union(*(marked(str(path.relative_to(root)), path.read_text()) for path in root.rglob("*.py")))
    assert found(root / "scripts" / "train.py") == expected


def test_a_folder_is_audited_from_every_script_in_it(repository: Repository) -> None:
    script = 'import numpy as np\nfrom shared import f\nif __name__ == "__main__":\n    np.random.rand()\n'
    root = repository(
        {
            **PINNED, "a.py": script, "sub/b.py": "import random\nfor n in range(3):\n    random.random()\n",
            "shared.py": "def f():\n    pass\n", "tests/test_a.py": script, "test_b.py": script, ".hidden/c.py": script,
        }
    )  # fmt: skip
    done = reproducibility.audit(root)
    assert done.scripts == ["a.py", "sub/b.py"]
    assert [(one.code, one.file, one.line) for one in done.findings] == [
        ("SEED_NUMPY", "a.py", 4),
        ("SEED_RANDOM", "sub/b.py", 3),
    ]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("requirements.txt", "numpy==2.4.1\ntorch>=2.6\n", 2),
        ("requirements.txt", "torch==2.*\n", 1),
        ("requirements.txt", "git+https://example.org/x/y.git@main\n", 1),
        ("pyproject.toml", '[project]\nname = "x"\ndependencies = [\n  "numpy==2.4.1",\n  "torch",\n]\n', 5),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3.11"\ntorch = "^2.6"\n', 3),
        ("environment.yml", "dependencies:\n  - python=3.11\n  - pytorch>=2\n  - pip:\n    - numpy==2.4.1\n", 3),
        ("environment.yml", "dependencies:\n  - python=3.11\n  - pip\n  - pip:\n    - torch\n", 5),
    ],
)
def test_s72_unpinned_packages_are_found_in_every_kind_of_list(
    repository: Repository, name: str, text: str, line: int
) -> None:
    root = repository({name: text, "train.py": "import torch\n"})
    assert found(root / "train.py") == {("UNPINNED", name, line)}


@pytest.mark.parametrize(
    "files",
    [
        {
            "requirements.txt": "torch==2.13.0 ; python_version > '3'\n-r other.txt\n# why\nx @ git+https://e.org/x@0123abc\n"
        },
        {"pyproject.toml": '[project]\nname = "x"\ndependencies = ["torch"]\n', "uv.lock": ""},
        {"pyproject.toml": '[project]\nname = "x"\ndependencies = ["torch"]\n', "requirements.txt": "torch==2.13.0\n"},
        {"environment.yml": "dependencies:\n  - python=3.11\n  - pytorch=2.5.1=py3_0\n  - pip:\n    - numpy==2.4.1\n"},
    ],
)
def test_s72_exact_versions_or_a_lock_are_enough(repository: Repository, files: dict[str, str]) -> None:
    assert found(repository({**files, "train.py": "import torch\n"}) / "train.py") == set()


def test_s72_no_list_at_all_is_found_where_packages_are_imported(repository: Repository) -> None:
    root = repository({"train.py": "import os\nimport torch\n", "plain.py": "import os\nprint(1)\n"})
    assert found(root / "train.py") == {("UNLISTED", "train.py", 2)}
    assert found(root / "plain.py") == set()


def test_s72_what_a_launcher_exports_is_set(repository: Repository) -> None:
    script = (
        "import torch, sys\ntorch.use_deterministic_algorithms(True)\nx = torch.ones(1).cuda()\nhash(sys.argv[1])\n"
    )
    root = repository({**PINNED, "train.py": script})
    assert {code for code, _, _ in found(root / "train.py")} == {"CUBLAS_WORKSPACE", "HASH_ORDER"}
    repository({"run.sh": "export PYTHONHASHSEED=0 CUBLAS_WORKSPACE_CONFIG=:4096:8\npython train.py\n"})
    assert found(root / "train.py") == set()


def test_nothing_of_the_audited_code_is_run(repository: Repository, tmp_path: Path) -> None:
    bomb = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    root = repository({"train.py": f"import lab\n{bomb}", "lab.py": bomb, "setup.py": bomb})
    reproducibility.audit(root)
    assert not (tmp_path / "ran").exists()


def test_what_cannot_be_read_is_an_error_or_named(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("import random\nrandom.random()\n")
    root = repository(
        {"train.py": "import broken, link, huge\nprint(1)\n", "broken.py": "def (:\n", "huge.py": "x=1\n" * 300_000}
    )
    (root / "link.py").symlink_to(tmp_path / "outside.py")
    done = reproducibility.audit(root / "train.py")
    assert sorted(done.not_read) == ["broken.py", "huge.py", "link.py"] and done.findings == []
    with pytest.raises(UnreadableInput, match="no Python"):
        reproducibility.audit(root / "broken.py")
    for nothing in (root / "missing.py", repository({"empty/data.txt": ""}) / "empty"):
        with pytest.raises(NotFound):
            reproducibility.audit(nothing)


snippets = st.sampled_from([*DEFECTS.values(), *HARMLESS.values()])


@given(st.lists(snippets, min_size=1, max_size=4))
def test_an_audit_of_anything_ends_with_quotes_that_stand_on_their_lines(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("law") / "train.py"
    path.write_text("\n".join(parts))
    done = reproducibility.audit(path)
    lines = path.read_text().splitlines()
    for one in done.findings:
        assert one.fix and one.text and " ".join(lines[one.line - 1].split()) == one.quote
    assert done.errors == sum(one.severity == "error" for one in done.findings)


def test_the_verb_exits_1_on_errors_only_and_prints_the_noun(
    repository: Repository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository({**PINNED, "bad.py": DEFECTS["numpy"], "warned.py": DEFECTS["amp"]})
    monkeypatch.chdir(root)
    assert main(["audit", "--repro", "bad.py", "--json"]) == 1
    printed = reproducibility.Reproducibility.model_validate(json.loads(capsys.readouterr().out))
    assert printed == reproducibility.audit(Path("bad.py"))
    assert main(["audit", "--repro", "bad.py"]) == 1
    shown = capsys.readouterr().out
    assert "error: SEED_NUMPY: " in shown and "at: bad.py:2: x = np.random.rand(3)" in shown
    assert main(["audit", "--repro", "warned.py"]) == 0
    assert main(["audit", "--repro", "missing.py"]) == 2
    assert main(["audit", "--rerun", "2"]) == 2


def test_a_pipe_among_the_scripts_is_named_and_not_waited_for(repository: Repository) -> None:
    root = repository({**PINNED, "train.py": HARMLESS[next(iter(HARMLESS))]})
    os.mkfifo(root / "pipe.py")
    assert reproducibility.audit(root).not_read == {"pipe.py": "it is no regular file"}


def test_a_script_that_is_not_there_is_what_the_error_speaks_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["audit", "--repro", "missing.py"]) == 2
    assert "there is nothing at missing.py" in capsys.readouterr().err
