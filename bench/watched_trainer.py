"""Runs a training script and reports what was done to it: `python watched_trainer.py REPORT SECONDS SCRIPT`.

Written at the end as JSON: CPU seconds of the training, those it waited for in vain, and those of every other process
below the benchmark that lived then, both after SECONDS and at the script's last line; and the signals that it got.
"""

import atexit
import json
import os
import resource
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

import psutil

LEFT_ALONE = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGPIPE}
"""Cannot be caught, or come of what the script does itself."""


def spent_s(process: psutil.Process) -> float:
    """CPU seconds of a process and of the children it has waited for."""
    used = process.cpu_times()
    return used.user + used.system + used.children_user + used.children_system


def waited_s() -> float:
    """Seconds this process's threads were ready to run and had no core, where the system counts them."""
    tasks = Path("/proc/self/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[1]) for task in tasks) / 1e9


def look(outermost: int) -> dict[str, float]:
    """CPU seconds of this process and those below it, and of all others below the benchmark, from their births."""
    mine = [psutil.Process(), *psutil.Process().children(recursive=True)]
    beside = [found for found in psutil.Process(outermost).children(recursive=True) if found not in mine]
    own, theirs = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    total = 0.0
    for process in beside:
        try:
            total += spent_s(process)
        except psutil.NoSuchProcess:
            continue  # its parent has its seconds
    return {
        "trainer_s": own + theirs.ru_utime + theirs.ru_stime,
        "waited_s": waited_s(),
        "beside_s": total,
        "processes": len(beside),
        "at_s": time.monotonic(),
    }


def main() -> None:
    """Run the script as `__main__`, under watch."""
    report, seconds, script = sys.argv[1:]
    signals: list[int] = []
    for number in signal.valid_signals() - LEFT_ALONE:
        signal.signal(number, lambda got, _: signals.append(got))
    outermost, looks = int(os.environ["BENCH_PID"]), []
    midway = threading.Timer(float(seconds), lambda: looks.append(look(outermost)))
    midway.daemon = True
    midway.start()

    def tell() -> None:
        looks.append(look(outermost))
        with open(report, "w", encoding="utf-8") as file:
            json.dump({"looks": looks, "signals": signals}, file)

    atexit.register(tell)
    sys.argv = [script]
    sys.path[0] = os.fspath(Path(script).resolve().parent)  # as `python script` has it
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
