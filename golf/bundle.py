"""Files that ship with Caddie: baselines and templates, from a checkout or from an installed wheel."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
TEMPLATES = PACKAGE / "templates"


def baselines() -> Path:
    """The folder of reference results and our implementation of the naive baseline."""
    packaged = PACKAGE / "baselines"
    return packaged if packaged.is_dir() else PACKAGE.parent / "baselines"
