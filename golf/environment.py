"""What a trainer or scorer inherits of our environment: enough to run, no secrets, no stray hyper-parameters.

An allow-list, because a deny-list forgets the next token's name; and because `ITERATIONS=5` left over
in a shell must not become part of an experiment.
"""

import os

PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "TZ", "USER", "SHELL", "TERM", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
PASSED_ON_PREFIXES = (
    "LC_",
    "CUDA_",
    "NVIDIA_",
    "NCCL_",
    "TORCH",
    "PYTORCH_",
    "OMP_",
    "MKL_",
    "KMP_",
    "OPENBLAS_",
    "DYLD_",
    "XDG_",
    "GOLF_JOB",  # the mark by which a job's processes are found again
)


def inherited() -> dict[str, str]:
    """The allowed part of this process's environment."""
    return {key: value for key, value in os.environ.items() if key in PASSED_ON or key.startswith(PASSED_ON_PREFIXES)}
