"""`golf data template`: a data pipeline to begin with, its tests, its pinned packages, and the checklist."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from golf import durable
from golf.bundle import TEMPLATES
from golf.errors import BadConfig, NotFound
from golf.schema import Noun

FILES = {
    "pipeline.py": "pipeline.py",
    "test_pipeline.py": "test_pipeline.py.txt",  # no test of this repository
    "CHECKLIST.md": "CHECKLIST.md",
    "requirements.txt": "requirements.txt",
}
"""Name in the folder, and in the template."""

FALLBACK = {"torch": "2.13.0", "numpy": "2.4.6", "pytest": "9.2.0"}
"""What the template was last tested with, where a package is not installed here."""


class PipelineTemplate(Noun):
    """What was written."""

    folder: str
    """As it was given."""
    files: list[str]
    next: list[str]
    """What to type now."""


def write(folder: Path) -> PipelineTemplate:
    """Write the template's files; packages are pinned to what is installed here.

    Raises:
        NotFound: there is no folder to write it in.
        BadConfig: one of its files is there already: nothing is written then.
    """
    if not folder.parent.is_dir():
        raise NotFound(f"there is no folder {folder.parent} to write {folder.name} in")
    if there := [name for name in FILES if (folder / name).exists()]:
        raise BadConfig(
            f"{folder / there[0]} is there already, and a template overwrites nothing. Choose another folder"
        )
    for name, source in FILES.items():
        text = (TEMPLATES / "pipeline" / source).read_text(encoding="utf-8")
        if name == "requirements.txt":
            for package in FALLBACK:
                text = text.replace(f"{{{package}}}", installed(package))
        durable.replace(folder / name, text)
    return PipelineTemplate(
        folder=str(folder),
        files=list(FILES),
        next=[
            f"cd {folder} && python -m pytest",
            f"golf data check DATA        golf audit --repro {folder / 'pipeline.py'}",
        ],
    )


def installed(package: str) -> str:
    """Its version here, without the build it is."""
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return FALLBACK[package]
