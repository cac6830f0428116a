"""What would touch a run is refused while it is on, spelling by spelling; what only speaks of it passes."""

import os
from typing import Any

import pytest
from guarded import EXPERIMENT, refused, shell

from golf.hooks.guard import decide
from golf.hooks.state import State
from golf.jobs.store import JobStore
from golf.schema import ENDED
from golf.workspace import Workspace

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
