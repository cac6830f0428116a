"""A submission in memory, for what reads code: scripts, a README, shell scripts and logs of our own."""

from collections.abc import Mapping
from pathlib import Path

from golf.referee.case import Case, Script, TextFile
from golf.rulings import Submission
from golf.schema import TrainingLog

NOWHERE = Path("/nowhere")


def toy_case(
    script: str = "",
    readme: str = "",
    shell: str = "",
    logs: tuple[Mapping[str, str], ...] = (),
    folder: Path = NOWHERE,
    **more: str,
) -> Case:
    """A case with `script` as its train_gpt.py; `more` scripts by their stem, `logs` as hyper-parameter dumps."""
    scripts = [Script("train_gpt.py", script), *(Script(f"{stem}.py", text) for stem, text in more.items())]
    return Case(
        folder=folder,
        files={},
        readmes=[TextFile("README.md", readme)] if readme else [],
        json={},
        json_file=None,
        scripts=scripts,
        shells=[TextFile("run.sh", shell)] if shell else [],
        others=[],
        logs=[
            TrainingLog(path=str(folder / f"train_{n}.log"), hyperparameters=dict(log)) for n, log in enumerate(logs)
        ],
        submission=Submission(folder="toy"),
    )


def fenced(*lines: str) -> str:
    """A README whose only content is these shell lines."""
    return "\n".join(["# A run", "```bash", *lines, "```", ""])
