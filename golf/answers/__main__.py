"""`python -m golf.answers schemas/`: write the schemas' files again."""

import sys
from pathlib import Path

from golf.answers import ANSWERS, text

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "schemas")
for name in ANSWERS:
    (folder / f"{name}.json").write_text(text(name), encoding="utf-8")
    print(folder / f"{name}.json")
