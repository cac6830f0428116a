"""A run that is on is left alone: its GPU, its processes, the checkpoint it writes, the machine it has to itself."""

import os
import re
from collections.abc import Iterable

from golf.hooks.commands import golf_verb, module_of, script_of
from golf.hooks.frozen import inside, meets
from golf.hooks.inline import Findings
from golf.hooks.shell import Command
from golf.hooks.state import State, clean

GPU = {
    "nvidia-smi", "nvtop", "gpustat", "nvitop", "dcgmi", "rocm-smi", "amd-smi", "asitop", "powermetrics", "nsys", "ncu",
    "nvprof", "cuda-gdb", "compute-sanitizer",
}  # fmt: skip
ATTACHING = {"py-spy", "gdb", "lldb", "strace", "ltrace", "perf", "memray", "renice"}
KILLING = {"kill", "pkill", "killall", "reboot", "shutdown"}
LAUNCHING = {"torchrun", "deepspeed", "horovodrun"}
LAUNCHING_MODULES = ("torch.distributed.run", "torch.distributed.launch", "accelerate.commands.launch", "deepspeed")
TRAINER = re.compile(r"(?!.*(?:log|plot|token|test|stat))(?:train|pretrain|finetune).*\.py")

LOOKING = {"ls", "stat", "du", "find", "tree", "test", "[", "cd", "echo", "printf", "realpath", "readlink", "dirname"}
"""Programs that take a path and do not read the file."""

TEXT = (".py", ".log", ".txt", ".json", ".jsonl", ".md", ".toml", ".yaml", ".yml", ".tsv", ".csv", ".sh", ".stop")
"""Files beside a checkpoint that may be read while it is written."""


def disturbed(command: Command, findings: Findings, state: State) -> str | None:
    """Why a command is refused while a run is on; asks for the jobs only when it would matter."""
    reason = _disturbs(command)
    if reason is not None:
        return f"{_run(state)}: {reason}" if state.active else None
    texts = [*command.words[1:], *command.inputs, *findings.names]
    if command.name in LOOKING or not any("artifact" in text or "worktree" in text for text in [command.cwd, *texts]):
        return None
    return next(
        (reason for text in texts if state.active and (reason := _half_written(text, command.cwd, state))), None
    )


def second_training(state: State) -> str | None:
    """Why a training is refused now."""
    return f"{_run(state)}: {_SECOND}" if state.active else None


_SECOND = (
    "a second training would take its time and memory, and neither number would count. wait_for_job until it ends, or "
    "cancel_job."
)


def _disturbs(command: Command) -> str | None:
    name, words = command.name, command.words
    module = module_of(command)
    if name in GPU or module.replace("_", "-") in GPU:
        return (
            "asking the GPU takes time from it and spoils its timing. Progress, metrics and cost so far: job_status; "
            "until it ends: wait_for_job."
        )
    if name in ATTACHING or module.replace("_", "-") in ATTACHING:
        return "attaching to processes stops or slows it. Its progress and last metrics: job_status."
    if (name in KILLING or (name == "fuser" and "-k" in words)) and not _is_harmless(command):
        return (
            "a signal from outside leaves it without a result. To stop it whole: cancel_job; to end a seed early and "
            "keep its result: touch experiments/NAME/logs/train_seedN.stop"
        )
    return _SECOND if _is_training(command, module) else None


_PERHAPS_OURS = re.compile(r"python|train|torch|golf|gpt|cuda|experiment|[^\w -]", re.I)


def _is_harmless(command: Command) -> bool:
    """Whether a signal only asks, goes to a job of this very shell, or to a program that is no training."""
    options = [word for word in command.words[1:] if word.startswith("-")]
    named = [word for word in command.words[1:] if not word.startswith("-")]
    if {"-0", "-l", "-L"} & set(options[:1]):
        return True
    if command.name == "kill":
        return bool(named) and all(word.startswith("%") for word in named)
    others = [word for word in options if not re.fullmatch(r"-f|-x|-\d+|-[A-Z]{3,}|--full", word)]
    is_other = all(len(word) > 3 and not _PERHAPS_OURS.search(word) for word in named)
    return command.name in ("pkill", "killall") and bool(named) and not others and is_other


def _is_training(command: Command, module: str) -> bool:
    if {"--help", "-h", "--dry-run", "--version"} & set(command.words):
        return False
    said = golf_verb(command)
    if said is not None:
        return said[0] in ("run", "sweep", "demo")
    return (
        command.name in LAUNCHING
        or (command.name == "accelerate" and "launch" in command.words)
        or module.startswith(LAUNCHING_MODULES)
        or TRAINER.fullmatch(script_of(command) or f"{module.rpartition('.')[2]}.py") is not None
    )


def _half_written(text: str, cwd: str, state: State) -> str | None:
    """Whether a word names weights that the run is writing."""
    path = text.rpartition("=")[2]
    if not path or "\n" in path or len(path) > 1000:
        return None
    places = [".golf/worktrees", *(f"experiments/{job.subject}/artifact" for job in state.active if job.kind == "run")]
    for parts in inside(os.path.normpath(path if path.startswith("/") else f"{cwd}/{path}"), state):
        if parts and not parts[-1].endswith(TEXT) and any(meets(parts, False, place, state) for place in places):
            return (
                f"{_run(state)}, and {clean(path, 120)} is being written: half a checkpoint says nothing. "
                "wait_for_job, then measure_artifact or evaluate_bpb."
            )
    return None


_OURS = re.compile(r"(?<![\w-])golf(?![\w-])|\bmcp_server\b|\bgolf-hook\b")


def _looks_for_processes(command: Command) -> bool:
    return command.name in ("pgrep", "pidof") or (
        command.name == "grep" and any(above.name == "ps" for above in command.upstream)
    )


def ends_golf(command: Command, found: Iterable[Command], state: State) -> str | None:
    """Why Caddie's own processes are not ended by hand, also while no run is on."""
    if command.name not in ("kill", "pkill", "killall") or _is_harmless(command):
        return None
    looks = [word for other in found if _looks_for_processes(other) for word in other.words]
    is_named = any(_OURS.search(word) for word in [*looks, *command.words[1:]])
    supervisors = {str(job.supervisor_pid) for job in state.jobs if job.is_alive} if command.name == "kill" else set()
    if is_named or supervisors & {word.lstrip("-") for word in command.words[1:]}:
        return "Caddie's own processes keep the records whole. To stop a job: cancel_job (in a shell: golf cancel ID)."
    return None


def _run(state: State) -> str:
    job = state.active[0]
    return f"A run is on ({clean(job.subject, 60)}, job {clean(job.id, 40)})"
