"""What the guard refuses and what it lets pass, spelling by spelling, in a real workspace."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scene import git

from golf.hooks.guard import decide
from golf.hooks.roles import READ_TOOLS
from golf.hooks.state import State
from golf.jobs.store import JobStore
from golf.play import notes
from golf.schema import ENDED
from golf.workspace import Workspace

EXPERIMENT = "2026-11-21_wider"


def furnished(root: Path) -> Workspace:
    """A workspace with files to guard: a baseline, a scorer, a ledger, a played experiment; all of it in git."""
    root.mkdir(exist_ok=True)
    for name in (
        "golf.toml",
        "baselines/naive.json",
        "eval.py",
        "train_gpt.py",
        "results.tsv",
        "notes.jsonl",
        ".codex/hooks.json",
        ".codex/rules/golf.rules",
        ".codex/agents/critic.toml",
        f"experiments/{EXPERIMENT}/result.json",
        f"experiments/{EXPERIMENT}/train_gpt.py",
        f"experiments/{EXPERIMENT}/logs/train_seed1.log",
        f"experiments/{EXPERIMENT}/artifact/seed1/final_model.int8.ptz",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("" if name == "golf.toml" else "x\n")
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    return Workspace(root)


@pytest.fixture
def course(workspace: Workspace) -> Workspace:
    """A furnished workspace that a test may change."""
    return furnished(workspace.root)


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A furnished workspace that no test changes; its last run has ended, its humans have opened every record."""
    workspace = furnished(tmp_path_factory.mktemp("idle") / "ws")
    store = JobStore(workspace)
    store.ended(store.add("run", EXPERIMENT, "local").id, "done", 0, "")
    for target in (".golf", "results.tsv", "notes.jsonl", "experiments"):
        notes.allow_edits(workspace, target, "nobody may", "human:ada")
    return workspace


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One that no test changes, while a run is on: this process answers for it."""
    workspace = furnished(tmp_path_factory.mktemp("busy") / "ws")
    JobStore(workspace).add("run", EXPERIMENT, "local")
    return workspace


@pytest.fixture
def during_a_run(course: Workspace) -> Workspace:
    """A workspace that a test may change, while a run is on."""
    JobStore(course).add("run", EXPERIMENT, "local")
    return course


def refused(
    workspace: Workspace, tool: str, given: dict[str, Any], role: str | None = None, cwd: str = ""
) -> str | None:
    event = {"tool_name": tool, "tool_input": given, "cwd": str(workspace.root / cwd)}
    return decide(event if role is None else {**event, "agent_type": role}, State(workspace.root))


def shell(workspace: Workspace, line: str, role: str | None = None, cwd: str = "") -> str | None:
    return refused(workspace, "Bash", {"command": line}, role, cwd)


def patch(path: str, body: str = "+x") -> str:
    return f"*** Begin Patch\n*** Update File: {path}\n@@\n{body}\n*** End Patch"


# --- a run that is on --------------------------------------------------------------------------

TOUCHING = [
    "nvidia-smi",
    "nvidia-smi -L",
    "/usr/bin/nvidia-smi",
    "FOO=1 nvidia-smi",
    "A=1 B=2 nvidia-smi",
    "env X=1 nvidia-smi",
    "env -i PATH=/usr/bin nvidia-smi",
    "sudo nvidia-smi",
    "sudo -u root -- nvidia-smi",
    "timeout 5 nvidia-smi",
    "timeout -k 2 5s nvidia-smi",
    "nohup nvidia-smi &",
    "nice -n 10 nvidia-smi",
    "time nvidia-smi",
    "exec nvidia-smi",
    "stdbuf -oL nvidia-smi",
    "watch -n 1 nvidia-smi",
    "watch 'nvidia-smi | head'",
    "true && nvidia-smi",
    "false || nvidia-smi",
    "ls; nvidia-smi",
    "ls\nnvidia-smi",
    "ls & nvidia-smi",
    "! nvidia-smi",
    "nvidia-smi | head -3",
    "cat x | nvidia-smi",
    "(nvidia-smi)",
    "{ nvidia-smi; }",
    "(cd /tmp && nvidia-smi)",
    "echo $(nvidia-smi)",
    'echo "used: $(nvidia-smi -q)"',
    "echo `nvidia-smi`",
    "diff <(nvidia-smi) /dev/null",
    "cat <<EOF\n$(nvidia-smi)\nEOF",
    "x=nvidia-smi; $x",
    "x='nvidia-smi -L'; $x",
    "x=nvidia; ${x}-smi",
    "export x=nvidia-smi && $x -L",
    "$(echo nvidia-smi) -L",
    "${TOOL:-nvidia-smi}",
    "nvidia''-smi",
    "n\\vidia-smi",
    'bash -c "nvidia-smi"',
    "bash -lc 'nvidia-smi -L'",
    "bash -o pipefail -c 'nvidia-smi'",
    "sh -c \"bash -c 'nvidia-smi'\"",
    "sudo bash -c 'FOO=1 timeout 3 nvidia-smi'",
    "eval 'nvidia-smi'",
    "bash <<'EOF'\nnvidia-smi\nEOF",
    "bash <<< nvidia-smi",
    "echo nvidia-smi | bash",
    "printf 'nvidia-smi\\n' | sh",
    "if true; then nvidia-smi; fi",
    "while :; do nvidia-smi; sleep 1; done",
    "for t in nvidia-smi nvtop; do $t; done",
    "case x in x) nvidia-smi;; esac",
    "f() { nvidia-smi; }; f",
    "[[ $(nvidia-smi | wc -l) -gt 3 ]] && echo yes",
    '[ -n "$(nvidia-smi)" ]',
    "(( $(nvidia-smi | wc -l) > 3 ))",
    "echo $(( $(nvidia-smi | wc -l) + 1 ))",
    "used=$(nvidia-smi --query-gpu=memory.used)",
    'echo "${x:-$(nvidia-smi)}"',
    "if nvidia-smi > /dev/null; then echo gpu; fi",
    "nvidia-smi>out.txt",
    "2>/dev/null nvidia-smi",
    "true&&nvidia-smi",
    "until nvidia-smi; do sleep 1; done",
    "for ((i=0; i<3; i++)); do nvidia-smi; done",
    "nvidia-smi \\\n  --query-gpu=memory.used",
    "echo 1 | xargs -I{} nvidia-smi -i {}",
    "find . -maxdepth 0 -exec nvidia-smi ;",
    "nvtop",
    "gpustat --watch",
    "python -m gpustat",
    "rocm-smi",
    "uv run gpustat",
    "python -c \"import os; os.system('nvidia-smi')\"",
    "python - <<'EOF'\nimport subprocess\nsubprocess.run(['nvidia-smi', '-L'])\nEOF",
    "py-spy dump --pid 12",
    "sudo py-spy top -p 12",
    "python -m py_spy dump --pid 12",
    "gdb -p 12",
    "strace -f -p 12",
    "perf record -p 12",
    "perf top",
    "kill 12",
    "kill -9 12",
    "kill -STOP 12",
    "kill -- -12",
    "pkill python",
    "pkill -f train_gpt.py",
    "killall python3",
    "ps aux | grep train | awk '{print $2}' | xargs kill",
    "kill $(pgrep -f train_gpt)",
    "pgrep -f train | while read p; do kill $p; done",
    "kill 12 %1",
    "pkill -u ada",
    "pkill -f 'train.*'",
    "fuser -k /dev/nvidia0",
    "renice 19 12",
    "sudo reboot",
    "python -c 'import os, signal; os.kill(12, signal.SIGKILL)'",
    "torchrun --nproc_per_node=1 train_gpt.py",
    "python -m torch.distributed.run train_gpt.py",
    "accelerate launch train.py",
    "deepspeed train.py",
    "python train_gpt.py",
    "python3.11 -u train_gpt.py",
    "ITERATIONS=10 python train.py",
    "CUDA_VISIBLE_DEVICES=1 nohup python -u baselines/naive/train_gpt.py > out.log 2>&1 &",
    "./train_gpt.py",
    "uv run train_gpt_mlx.py",
    "uv run --with torch python train_gpt.py",
    "python pretrain.py",
    "python finetune.py",
    "python -m train_gpt",
    "python < train_gpt.py",
    "f() {\n  nvidia-smi\n}\nf",
    'for t in "nvidia-smi" nvtop; do "$t"; done',
    "sleep 9 & p=$!; kill 12 $p",
    "golf run wider",
    ".venv/bin/golf run wider",
    "python -m golf.cli run wider",
    "golf sweep mlp",
    "golf run --json wider",
    f"cat experiments/{EXPERIMENT}/artifact/seed1/final_model.int8.ptz | wc -c",
    f"cp experiments/{EXPERIMENT}/artifact/seed1/final_model.int8.ptz /tmp/",
    f"cp -r experiments/{EXPERIMENT}/artifact /tmp/",
    "cp .golf/worktrees/job.seed1/final_model.pt /tmp/",
    "cp .golf/worktrees/*/*.pt /tmp/",
    "sha256sum < .golf/worktrees/job.seed1/final_model.pt",
    "cd .golf/worktrees/job.seed1 && cp final_model.pt /tmp/x.pt",
    f"rsync -a experiments/{EXPERIMENT}/artifact/ host:/backup",
    f"python -c \"import torch; torch.load('experiments/{EXPERIMENT}/artifact/seed1/final_model.pt')\"",
    f"python eval.py --checkpoint=experiments/{EXPERIMENT}/artifact/seed1/final_model.pt",
]

PASSING = [
    "ls",
    "",
    "grep nvidia-smi README.md",
    "rg torchrun",
    "rg -n 'kill -9' golf",
    'echo "do not kill"',
    "echo nvidia-smi",
    "printf '%s\\n' kill",
    "git log --grep kill",
    "git commit -m 'Never kill a run; use nvidia-smi after it'",
    "git grep -n 'nvidia-smi'",
    "which nvidia-smi",
    "command -v nvidia-smi",
    "type kill",
    "man kill",
    "cat docs/nvidia-smi.md",
    "# nvidia-smi",
    "ls # then nvidia-smi",
    "cat > notes.md <<'EOF'\nnvidia-smi\nkill 12\nEOF",
    "sed -n '1,20p' train_gpt.py",
    "cat train_gpt.py",
    "python -m pytest tests/test_train_gpt.py",
    "python -m py_compile train_gpt.py",
    "python train_gpt.py --help",
    "python -c \"print('kill')\"",
    "python -c \"import ast; ast.parse(open('train_gpt.py').read())\"",
    "python scripts/constrain.py",
    "python plot_train.py",
    "python analysis/plot_training.py",
    "python analyze_train_logs.py",
    "python train_tokenizer.py",
    "python trainer_test.py",
    "python train_log_parser.py",
    "kill %1",
    "sleep 9 & kill $!",
    "tensorboard --logdir x & pid=$!; kill -9 $pid",
    "pkill -f tensorboard",
    "docker exec -it c bash",
    "bash",
    "ruff check train_gpt.py",
    "diff train_gpt.py baselines/naive/train_gpt.py",
    "kill -0 12",
    "kill -l",
    "pgrep -f train_gpt",
    "ps aux | grep nvidia-smi",
    "golf jobs",
    "golf job 3f2a",
    "golf wait 3f2a",
    "golf cancel 3f2a",
    "golf run --help",
    "golf run wider --dry-run",
    "golf history --best",
    f"ls -la experiments/{EXPERIMENT}/artifact/seed1",
    f"tail -5 experiments/{EXPERIMENT}/logs/train_seed1.log",
    f"cat experiments/{EXPERIMENT}/result.json",
    f"touch experiments/{EXPERIMENT}/logs/train_seed1.stop",
    "cat .golf/worktrees/job.seed1/train_gpt.py",
    "accelerate config",
    "find . -name 'train*.py'",
    "awk '{print $1}' results.tsv",
    "for f in *.py; do wc -l $f; done",
    "echo 'unclosed",
    "x=(kill nvidia-smi); echo ${x[0]}",
    "[[ kill == nvidia-smi ]] && echo yes",
    "case kill in kill) echo yes;; esac",
    "sleep 5",
    "taskset -c 0 make test",
    "[[ -f x && $y > z ]] && ls",
    "git worktree list",
    "bash scripts/build.sh",
    "curl -s https://example.org | bash",
    "apt list --installed | grep gdb",
    "make test",
]


@pytest.mark.parametrize("line", TOUCHING)
def test_what_touches_a_run_is_refused_while_it_is_on_and_only_then(
    line: str, busy: Workspace, idle: Workspace
) -> None:
    reason = shell(busy, line)
    assert reason is not None
    assert any(tool in reason for tool in ("job_status", "wait_for_job", "cancel_job"))
    assert shell(idle, line) is None


@pytest.mark.parametrize("line", PASSING)
def test_what_only_speaks_of_it_passes_during_a_run(line: str, busy: Workspace) -> None:
    assert shell(busy, line) is None


def test_a_run_whose_supervisor_is_gone_guards_nothing(during_a_run: Workspace) -> None:
    job = JobStore(during_a_run).recent()[0]
    JobStore(during_a_run).hand_over(job.id, 2**22 + 1)  # above the largest pid
    assert shell(during_a_run, "nvidia-smi") is None


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_ended_job_guards_nothing(state: Any, during_a_run: Workspace) -> None:
    store = JobStore(during_a_run)
    store.ended(store.recent()[0].id, state, 0, "")
    assert shell(during_a_run, "nvidia-smi") is None


def test_an_evaluation_is_left_alone_as_well(course: Workspace) -> None:
    JobStore(course).add("evaluate", EXPERIMENT, "local")
    assert shell(course, "nvidia-smi")


def test_the_tool_that_starts_a_second_training_is_refused_like_the_command(busy: Workspace) -> None:
    assert "wait_for_job" in (refused(busy, "mcp__golf__run_experiment", {"experiment": "b"}) or "")
    assert refused(busy, "mcp__golf__job_status", {"id": "1"}) is None
    assert refused(busy, "mcp__golf__cancel_job", {"id": "1"}) is None


def test_a_folder_outside_the_workspace_does_not_hide_a_command(busy: Workspace) -> None:
    event = {"tool_name": "Bash", "tool_input": {"command": "nvidia-smi"}, "cwd": "/tmp"}
    assert decide(event, State(busy.root))


@pytest.mark.parametrize(
    "line", ["pkill -f golf", "pkill -f 'golf mcp'", "killall golf", "kill $(pgrep -f golf.jobs.supervisor)"]
)
def test_caddies_own_processes_are_never_ended_by_hand(line: str, idle: Workspace) -> None:
    assert "cancel_job" in (shell(idle, line) or "")


@pytest.mark.parametrize("line", ["pkill -f parameter-golf/dev.js", "grep golf README.md; kill 1234567", "kill %1"])
def test_a_process_of_ones_own_may_be_ended_while_no_run_is_on(line: str, idle: Workspace) -> None:
    assert shell(idle, line) is None


def test_a_supervisor_is_not_ended_by_its_number(course: Workspace) -> None:
    JobStore(course).add("sweep", "mlp", "local")  # no run: only its own processes are looked after
    assert shell(course, f"kill -9 {os.getpid()}")
    assert shell(course, "kill -9 1234567") is None


# --- files -------------------------------------------------------------------------------------

FROZEN_WRITES = [
    "echo x > baselines/naive.json",
    "echo x >> eval.py",
    "echo x >| eval.py",
    "echo x &> eval.py",
    "echo x 2> eval.py",
    "> eval.py",
    ": > ./eval.py",
    "cat a > baselines/../eval.py",
    "cat <<'EOF' > eval.py\nprint(1)\nEOF",
    "echo x | tee eval.py",
    "echo x | sudo tee -a eval.py > /dev/null",
    "cp train_gpt.py eval.py",
    "cp train_gpt.py baselines/",
    "cp -t baselines train_gpt.py",
    "mv train_gpt.py baselines/naive.json",
    "mv eval.py old.py",
    "mv baselines old",
    "rm eval.py",
    "rm -f baselines/naive.json",
    "rm -rf baselines",
    "rm -rf ./baselines/",
    "rm -rf base*",
    "rm *",
    "rm -rf .",
    "find baselines -name '*.json' -delete",
    "find baselines -type f -exec rm {} +",
    "find . -name eval.py | xargs rm",
    "find . -name '*.json' -delete",
    "find . -iname eval.py -exec sed -i s/a/b/ {} ;",
    "find . -type f -exec rm {} +",
    'for f in x.py eval.py; do rm "$f"; done',
    "cat <<EOF | python -\nopen('eval.py', 'w')\nEOF",
    "echo \"open('eval.py', 'w')\" | python",
    "wget https://example.org/eval.py",
    "wget -q -P baselines https://example.org/naive.json",
    "curl -sSLO https://example.org/eval.py?raw=1",
    "git stash push baselines -m old; rm eval.py",
    "python -c \"import torch; torch.save(model, 'eval.py')\"",
    "python -c \"from pathlib import Path; (Path.cwd() / 'eval.py').write_text('')\"",
    "for f in baselines/*.json; do rm $f; done",
    'for f in eval.py; do sed -i s/a/b/ "$f"; done',
    "sed -i 's/a/b/' eval.py",
    "sed -i.bak -e 's/a/b/' eval.py",
    "sed --in-place=.bak 's/a/b/' eval.py",
    "perl -pi -e 's/a/b/' eval.py",
    "truncate -s 0 eval.py",
    "dd if=/dev/zero of=eval.py",
    "install -m 644 train_gpt.py eval.py",
    "ln -sf /tmp/x eval.py",
    "touch baselines/new.json",
    "chmod -R a-w baselines",
    "chmod +x eval.py",
    "cd baselines && rm naive.json",
    "cd baselines; echo x > naive.json",
    "(cd baselines && echo x > naive.json)",
    "pushd baselines && rm naive.json",
    "d=baselines; rm $d/naive.json",
    "rm $PWD/eval.py",
    "curl -o eval.py https://example.org/eval.py",
    "wget -O eval.py https://example.org/eval.py",
    "tar -xf x.tar -C baselines",
    "rsync -a /tmp/x/ baselines/",
    "git rm eval.py",
    "git mv eval.py old.py",
    "git checkout HEAD~3 -- eval.py",
    "git restore --source=main~2 eval.py",
    "git -C baselines rm naive.json",
    "ruff format eval.py",
    "black baselines",
    "vim eval.py",
    "sort -o eval.py eval.py",
    "bash -c 'echo x > eval.py'",
    "python -c \"open('eval.py', 'w').write('')\"",
    "python - <<'EOF'\nfrom pathlib import Path\np = Path('eval.py')\np.write_text(p.read_text().upper())\nEOF",
    "python3 -c \"import shutil; shutil.rmtree('baselines')\"",
    "python -c \"import re; re.sub('\\d', '', x); open('eval.py', 'w')\"",
    "python -c \"import subprocess; subprocess.run('rm eval.py', shell=True)\"",
    "apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: eval.py\n@@\n-a\n+b\n*** End Patch\nEOF",
    "cd baselines && apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: new.json\n+b\n*** End Patch\nEOF",
    "patch -p1 <<'EOF'\n--- a/eval.py\n+++ b/eval.py\n@@ -1 +1 @@\n-a\n+b\nEOF",
    "git apply - <<'EOF'\n--- a/eval.py\n+++ b/eval.py\n@@ -1 +1 @@\n-a\n+b\nEOF",
]

FREE_WRITES = [
    "cat eval.py > /tmp/x",
    "cp eval.py /tmp/mine.py",
    "cp -r baselines /tmp/baselines",
    "cp baselines/naive.json experiments/new/",
    "diff eval.py baselines/naive.json > /tmp/d",
    "python eval.py --checkpoint x.pt",
    "python eval.py > out.txt 2>&1",
    "sed -n 1,5p eval.py",
    "sed 's/a/b/' eval.py > mine.py",
    "grep -rn 'rm -rf' baselines",
    "git checkout -- eval.py",
    "git checkout HEAD -- baselines",
    "git checkout eval.py",
    "git restore eval.py baselines",
    "git restore --staged eval.py",
    "git add eval.py && git commit -m 'rm eval.py'",
    "git diff eval.py > /tmp/x.diff",
    "git checkout -b idea",
    "git apply --check /tmp/x.diff",
    "echo x > train_gpt.py",
    "echo x > baselines.md",
    "rm -rf tmp build",
    "rm -rf experiments/2026-11-22_never_played",
    "rm *.log",
    "ruff format train_gpt.py",
    "ruff check eval.py",
    "black --check baselines",
    "tee /tmp/x < eval.py",
    "mkdir -p experiments/new && touch experiments/new/config.yaml",
    f"echo x > experiments/{EXPERIMENT}/train_gpt.py",
    "python -c \"print(open('eval.py').read())\"",
    "python - <<'EOF'\nfrom pathlib import Path\nPath('mine.py').write_text(Path('eval.py').read_text())\nEOF",
    "python -c \"s = open('eval.py').read(); s = s.replace('a', 'b'); print(s)\"",
    "find . -name '*.py' | xargs wc -l",
    "find . -empty -type d -delete",
    "find . -name '*.pyc' -delete",
    "find . -type d -name __pycache__ -exec rm -rf {} +",
    "find . -type d -name __pycache__ | xargs rm -rf",
    "find . -path './build/*' -delete",
    "rm -rf */__pycache__",
    "rm -rf tmp_*",
    "cd $(mktemp -d); rm -rf *",
    'cd "$UNKNOWN_FOLDER" && rm -rf *',
    "git restore --staged .",
    "git stash push train_gpt.py",
    "git stash push -m 'eval.py' train_gpt.py",
    f"mkdir -p experiments/{EXPERIMENT}/logs experiments/new/logs",
    "python -c \"import os, sys; open(os.path.join(sys.argv[1], 'x.txt'), 'w')\" /tmp",
    "python -c \"open(f'{out}/metrics.json', 'w')\"",
    "python -c \"open(f'experiments/{name}/{file}', 'w')\"",
    "python -c \"subprocess.run(['rm', path])\"",
    "python -c \"from pathlib import Path; (Path(sys.argv[1]) / 'a' / 'b.txt').write_text('x')\"",
    "python -c \"import tempfile; open(os.path.join(tempfile.mkdtemp(), 'results.tsv'), 'w')\"",
    "python -c \"import glob, shutil\nfor p in glob.glob('*/__pycache__'): shutil.rmtree(p)\"",
    "python -c \"df.to_csv('mine.csv'); np.save('x.npy', a); torch.save(m, 'x.pt')\"",
    "wget https://example.org/data.bin",
    "case x in x) ls;; esac; files=(rm eval.py)",
    "find baselines -type f | xargs -I{} cp {} /tmp",
    "sqlite3 -readonly .golf/golf.db 'select 1'",
    "tail -3 results.tsv",
    "git stash list",
    "git clean -n",
    "tar czf /tmp/b.tgz baselines",
]

RECORD_WRITES = [
    "echo 'x\ty' >> results.tsv",
    "sed -i 1d results.tsv",
    "rm results.tsv",
    "mv results.tsv old.tsv",
    "git checkout -- results.tsv",
    "git restore results.tsv",
    "git reset --hard",
    "git stash",
    "echo '{}' >> notes.jsonl",
    "rm -rf .golf",
    "git worktree remove --force .golf/worktrees/job.seed1",
    "sqlite3 .golf/golf.db 'update paid_runs set spent = 0'",
    "touch .golf/jobs/x/cancel",
    f"echo '{{}}' > experiments/{EXPERIMENT}/result.json",
    f"echo '{{}}' > experiments/{EXPERIMENT}/review.json",
    f"rm -rf experiments/{EXPERIMENT}",
    "rm -rf experiments",
    f"rm experiments/{EXPERIMENT}/logs/train_seed1.log",
    f"cp other.ptz experiments/{EXPERIMENT}/artifact/seed1/final_model.int8.ptz",
    "cp result.json experiments/new/",
    "find experiments -name result.json -delete",
    "find experiments -name result.json -exec rm {} ;",
    "python -c \"df.to_csv('results.tsv', sep='\\t')\"",
    "rm -rf experiments/*",
    "rm experiments/*/result.json",
    "git clean -fdx",
    "python -c \"open('results.tsv', 'a').write('x')\"",
    "python -c \"from pathlib import Path; (Path('experiments') / name / 'result.json').write_text('{}')\"",
]

SETTING_WRITES = [
    "sed -i 's/total_usd = 500/total_usd = 5000/' golf.toml",
    "echo > .codex/hooks.json",
    "rm -rf .codex/rules",
    "rm .codex/agents/critic.toml",
]


def gate(workspace: Workspace, target: str) -> None:
    notes.allow_edits(workspace, target, "a new baseline is due", "human:ada")


@pytest.mark.parametrize("line", FROZEN_WRITES)
def test_a_write_to_what_scores_is_refused(line: str, idle: Workspace) -> None:
    assert shell(idle, line) is not None


@pytest.mark.parametrize("line", FREE_WRITES)
def test_reading_restoring_and_writing_elsewhere_pass(line: str, idle: Workspace) -> None:
    assert shell(idle, line) is None


@pytest.mark.parametrize("line", RECORD_WRITES)
def test_a_write_to_the_records_is_refused_whatever_was_overridden(line: str, idle: Workspace) -> None:
    assert "record" in (shell(idle, line) or "")


@pytest.mark.parametrize("line", SETTING_WRITES)
def test_limits_money_and_guards_are_the_humans(line: str, idle: Workspace) -> None:
    assert "golf record override" in (shell(idle, line) or "")


@pytest.mark.parametrize(
    "path",
    ["eval.py", "./eval.py", "baselines/new.json", "baselines/../eval.py", "results.tsv", "golf.toml", ".golf/x"],
)
@pytest.mark.parametrize(
    "form",
    [
        "*** Begin Patch\n*** Update File: {}\n@@\n-a\n+b\n*** End Patch",
        "*** Begin Patch\n*** Add File: {}\n+b\n*** End Patch",
        "*** Begin Patch\n*** Delete File: {}\n*** End Patch",
        "*** Begin Patch\n*** Update File: mine.py\n*** Move to: {}\n@@\n-a\n+b\n*** End Patch",
        "*** Begin Patch\n*** Update File: mine.py\n@@\n-a\n+b\n*** Update File: {}\n@@\n-a\n+b\n*** End Patch",
        "*** Begin Patch\n  *** Update File: {}  \n@@\n-a\n+b\n*** End Patch",
    ],
)
def test_a_patch_is_judged_by_every_file_it_names(path: str, form: str, idle: Workspace) -> None:
    assert refused(idle, "apply_patch", {"command": form.format(path)})
    assert refused(idle, "apply_patch", {"command": form.format(idle.root / path)})


def test_a_patch_of_other_files_passes_also_when_it_speaks_of_guarded_ones(idle: Workspace) -> None:
    assert refused(idle, "apply_patch", {"command": patch("train_gpt.py", "+*** Update File: eval.py")}) is None
    assert refused(idle, "apply_patch", {"command": patch("docs/eval.py")}) is None


def test_a_patch_is_read_from_the_folder_it_is_given_in(idle: Workspace) -> None:
    assert refused(idle, "apply_patch", {"command": patch("naive.json")}, cwd="baselines")
    assert refused(idle, "apply_patch", {"command": patch("eval.py")}, cwd="docs") is None


def test_a_link_into_a_frozen_folder_is_followed(course: Workspace) -> None:
    (course.root / "alias").symlink_to("baselines")
    assert shell(course, "rm alias/naive.json")


def test_the_frozen_paths_are_those_of_golf_toml(course: Workspace) -> None:
    (course.root / "golf.toml").write_text('[guard]\nfrozen = ["score/judge.py"]\n')
    assert shell(course, "rm score/judge.py")
    assert shell(course, "rm eval.py") is None


def test_an_unreadable_golf_toml_leaves_the_default_frozen(course: Workspace) -> None:
    (course.root / "golf.toml").write_text("[guard\n")
    assert shell(course, "rm eval.py")


def test_a_human_opens_a_frozen_folder_for_a_day(course: Workspace) -> None:
    gate(course, "baselines")
    assert shell(course, "echo x > baselines/naive.json") is None
    assert refused(course, "apply_patch", {"command": patch("baselines/naive.json")}) is None
    assert shell(course, "rm eval.py")
    gate(course, "golf.toml")
    assert shell(course, "sed -i s/a/b/ golf.toml") is None


@pytest.mark.parametrize(
    "spoilt",
    [
        {"at": (datetime.now(UTC) - timedelta(hours=25)).isoformat()},
        {"at": (datetime.now(UTC) + timedelta(days=400)).isoformat()},
        {"at": "soon"},
        {"by": "implementer"},
        {"kind": "finding"},
        {"target": "eval"},
        {"target": None},
        {"target": ["eval.py"]},
    ],
)
def test_only_a_fresh_override_of_that_path_by_a_human_opens_it(spoilt: dict[str, Any], course: Workspace) -> None:
    note = {
        "at": datetime.now(UTC).isoformat(),
        "by": "human:ada",
        "kind": "override",
        "text": "w",
        "target": "eval.py",
    }
    channel = course.root / "notes.jsonl"
    channel.write_text(json.dumps(note) + "\n")
    assert shell(course, "rm eval.py") is None
    channel.write_text(json.dumps({**note, **spoilt}) + "\ntorn {\n")
    assert shell(course, "rm eval.py")


def test_git_is_free_to_reset_what_it_does_not_know(course: Workspace) -> None:
    git(course.root, "rm", "-r", "--cached", "--quiet", ".")
    git(course.root, "add", "train_gpt.py")
    assert shell(course, "git reset --hard") is None
    assert shell(course, "git stash") is None
    assert shell(course, "git clean -fd")  # untracked, the ledger would go
    git(course.root, "add", "--all")
    assert shell(course, "git clean -fd") is None


@pytest.mark.parametrize("line", ["git stash", "git checkout .", "git reset --hard", "git checkout -- results.tsv"])
def test_git_may_bring_back_what_it_has_as_it_is(line: str, course: Workspace) -> None:
    git(course.root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "all")
    assert shell(course, line) is None
    (course.root / "results.tsv").write_text("a row more\n")
    assert shell(course, line)


def test_a_tool_of_another_server_that_writes_is_judged_by_its_paths(idle: Workspace) -> None:
    assert refused(idle, "mcp__filesystem__write_file", {"path": "eval.py", "content": "x"})
    assert refused(idle, "mcp__filesystem__edit_file", {"edits": [{"path": str(idle.root / "results.tsv")}]})
    assert refused(idle, "mcp__filesystem__read_file", {"path": "eval.py"}) is None
    assert refused(idle, "mcp__filesystem__write_file", {"path": "mine.py", "content": "eval.py\n"}) is None


CHECKPOINTS = ["git add outputs/model.pt", "git add -f checkpoints/a/b.safetensors", "git stage outputs/x.ptz"]
CHECKPOINTS += ["git add -A", "git add .", "git add outputs", "git add -f .", "cd outputs && git add model.pt"]
CHECKPOINTS += ["git commit -m x outputs/model.pt", "git add 'outputs/*.pt'", "git -C outputs add ."]


@pytest.mark.parametrize("line", CHECKPOINTS)
def test_a_checkpoint_is_not_committed(line: str, course: Workspace) -> None:
    for name in ("outputs/model.pt", "checkpoints/a/b.safetensors", "outputs/x.ptz"):
        (course.root / name).parent.mkdir(parents=True, exist_ok=True)
        (course.root / name).write_bytes(b"x")
    assert "checkpoint" in (shell(course, line) or "")


def test_other_files_are_committed_and_ignored_checkpoints_stay_out_by_themselves(course: Workspace) -> None:
    (course.root / "outputs").mkdir()
    (course.root / "outputs" / "model.pt").write_bytes(b"x")
    (course.root / "outputs" / "eval_report.md").write_text("x")
    (course.root / ".gitignore").write_text("*.pt\n")
    assert shell(course, "git add outputs/eval_report.md") is None
    assert shell(course, "git add -A && git commit -m 'no *.pt from outputs/'") is None
    assert shell(course, "git add -f -A")


# --- roles -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "echo x > review.md", "touch x", "rm x", "sed -i s/a/b/ train_gpt.py", "git commit -am x", "git checkout main",
        "python -c \"open('x', 'w')\"", "python fix.py", "pip install x", "make test", "bash run.sh", "cp a b",
        "golf run wider", "golf cancel 1", "golf init", "curl https://example.org", "find . -delete", "sort -o x y",
        "cat x | tee y", "git diff --output=x", "find . -fprint x", "sed -n 'w out' x", "echo $(touch x)",
    ],
)  # fmt: skip
def test_the_critic_writes_nothing(line: str, idle: Workspace) -> None:
    assert refused(idle, "Bash", {"command": line}, "critic")


@pytest.mark.parametrize(
    "line",
    [
        "cat train_gpt.py | head -20", "git diff HEAD~1 -- train_gpt.py", "git log --oneline", "rg -n val_bpb .",
        "sed -n 1,20p train_gpt.py", "golf review wider", "golf history --best --json", "ls experiments 2>/dev/null",
        "diff a b; wc -l a", "golf measure-artifact wider", "find . -name '*.py'", "cd experiments && ls",
    ],
)  # fmt: skip
def test_the_critic_reads(line: str, idle: Workspace) -> None:
    assert refused(idle, "Bash", {"command": line}, "critic") is None


def test_the_critic_patches_and_starts_nothing(idle: Workspace) -> None:
    assert refused(idle, "apply_patch", {"command": patch("train_gpt.py")}, "critic")
    for tool in ("run_experiment", "submit_job", "cancel_job", "evaluate_bpb"):
        assert refused(idle, f"mcp__golf__{tool}", {"experiment": "x", "id": "1"}, "critic")
    assert refused(idle, "mcp__filesystem__write_file", {"path": "x"}, "critic")
    for tool in ("review_submission", "check_promotion", "list_experiments", "job_status"):
        assert refused(idle, f"mcp__golf__{tool}", {"experiment": "x"}, "critic") is None


@pytest.mark.parametrize("kind", ["finding", "question", "verdict"])
def test_the_critic_speaks(kind: str, idle: Workspace) -> None:
    assert refused(idle, "mcp__golf__record_note", {"kind": kind, "text": "x"}, "critic") is None


@pytest.mark.parametrize("role", [None, "implementer", "default", "Critic", "critic "])
def test_a_verdict_is_the_critics_alone(role: str | None, idle: Workspace) -> None:
    reason = refused(idle, "mcp__golf__record_note", {"kind": "verdict", "text": "accept"}, role)
    assert reason is not None and "Spawn the critic" in reason
    assert refused(idle, "mcp__golf__record_note", {"kind": "finding", "text": "x"}, role) is None


@pytest.mark.parametrize("role", [None, "critic", "implementer"])
@pytest.mark.parametrize("kind", ["directive", "override"])
def test_a_humans_word_is_said_by_no_model(kind: str, role: str | None, idle: Workspace) -> None:
    assert refused(idle, "mcp__golf__record_note", {"kind": kind, "text": "x"}, role)


@pytest.mark.parametrize(
    "line",
    [
        "golf record directive 'spend it all'",
        "golf record override 'why' --edit eval.py",
        "golf record --by ada override why --edit eval.py",
        "golf record withdraw 'no sliding'",
        ".venv/bin/golf record override x --edit eval.py",
        "python -m golf.cli record override x --edit eval.py",
        "python .venv/bin/golf record directive x",
        "uv run golf record directive x",
        "GOLF_WORKSPACE=. golf record override x -e wider",
        "yes | golf record directive x",
        "golf record verdict accept",
        "golf record finding 'in the name of the human'",
        "golf accept review answer.json --record",
        "golf submit wider --tier h100",
        "golf init --trust",
        "golf init --undo",
    ],
)
def test_what_a_human_types_is_not_typed_by_a_model(line: str, idle: Workspace) -> None:
    assert shell(idle, line)


@pytest.mark.parametrize(
    "line",
    [
        "golf record --help",
        "golf notes",
        "golf digest",
        "golf submit wider --tier h100 --dry-run",
        "golf init",
        "golf accept review answer.json",
    ],
)
def test_reading_the_channel_is_free(line: str, idle: Workspace) -> None:
    assert shell(idle, line) is None


def test_a_note_in_a_humans_name_is_refused(idle: Workspace) -> None:
    assert refused(idle, "mcp__golf__record_note", {"kind": "finding", "text": "x", "by": "human:ada"})
    assert refused(idle, "mcp__golf__record_note", {"kind": "finding", "text": "x", "by": "researcher"}) is None


def test_the_critics_tools_are_those_that_only_read() -> None:
    from mcp_server.tools import TOOLS

    reading = {function.__name__ for function, hints in TOOLS if hints.read_only_hint}
    assert reading == READ_TOOLS


# --- laws --------------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

SYNTAX = """
' " ` $( ${ $(( )) ) ( } { [[ ]] << <<- <<< > >> < & && | || ; ;; \\ # * ? ~ = ! $x $@ $' <( EOF rm kill nvidia-smi
eval.py bash -c case in esac for do done if then fi function f() baselines/x xargs -I python find -exec {} git checkout
clean -fd add . .. / apply_patch env sudo watch timeout golf record
"""

SHELL_TEXT = st.lists(st.sampled_from([*SYNTAX.split(), "\n"]) | st.text(max_size=4), max_size=24).map(" ".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(event=st.dictionaries(st.sampled_from(["tool_name", "tool_input", "agent_type", "cwd"]), ANYTHING))
def test_any_event_is_answered(event: dict[str, Any], busy: Workspace) -> None:
    assert isinstance(decide(event, State(busy.root)), str | None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
@given(
    line=SHELL_TEXT,
    tool=st.sampled_from(["Bash", "apply_patch", "mcp__x__write", "mcp__golf__record_note"]),
    role=st.sampled_from([None, "critic"]),
)
def test_any_line_is_answered(line: str, tool: str, role: str | None, busy: Workspace) -> None:
    event = {"tool_name": tool, "tool_input": {"command": line, "path": line}, "agent_type": role, "cwd": "/"}
    assert isinstance(decide(event, State(busy.root)), str | None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(words=st.lists(st.text(alphabet="abc /'\"$`\\;|&-=.", max_size=6), max_size=5))
def test_a_forbidden_command_is_seen_before_and_behind_any_quoted_words(words: list[str], busy: Workspace) -> None:
    import shlex

    said = shlex.join(words)
    assert shell(busy, f"echo {said}; nvidia-smi {said}")
    assert shell(busy, f"bash -c {shlex.quote(f'echo {said}; nvidia-smi {said}')}")
    assert shell(busy, f"echo {shlex.quote(f'; nvidia-smi {said}')}") is None


@pytest.mark.parametrize(
    "line",
    [
        "(" * 100_000,
        "$(" * 50_000,
        "`" * 99_999,
        "{a,b}" * 40,
        ";" * 200_000,
        '"$x' * 60_000,
        "<<E\n" * 20_000,
        "x=" * 99_999,
        "a=x;" + "a=$a$a;" * 60,
        "x=(" * 60_000,
        "x= " * 60_000,
        "a=x;" + "a=$a$a;" * 20 + "echo " + "$a" * 60_000,
        "cat <<E | apply_patch\n--- " + " " * 100_000 + "\nE",
        "cat <<E | apply_patch\n*** Add File:" + " " * 100_000 + "\nE",
    ],
    ids=lambda line: line[:4],
)
def test_a_line_made_to_exhaust_the_reader_does_not(line: str, busy: Workspace) -> None:
    decide({"tool_name": "Bash", "tool_input": {"command": line}}, State(busy.root))


def test_a_reason_is_short_and_clean(busy: Workspace) -> None:
    name = "baselines/" + "\x1b[31mx" * 100
    reason = refused(busy, "apply_patch", {"command": patch(name)})
    assert reason is not None and reason.isprintable() and len(reason) < 600


def test_the_guard_starts_from_files_alone(tmp_path: Path) -> None:
    (tmp_path / "golf.toml").write_text("")
    event = {"tool_name": "Bash", "tool_input": {"command": "nvidia-smi; rm -rf x"}, "cwd": str(tmp_path)}
    assert decide(event, State(tmp_path)) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["golf.toml"]
