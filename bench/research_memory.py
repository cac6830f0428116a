"""How fast the memory answers at 50,000 records.

python bench/research_memory.py [RECORDS]
"""

import random
import sys
import tempfile
import time
from pathlib import Path

from golf.referee.techniques import catalogue
from golf.research import memory
from golf.workspace import Workspace

PARTS = ("MLP", "embedding", "attention output", "first layer", "last layers", "output head", "skip weights", "keys")
CHANGES = ("with decay", "at a rate of", "for the", "only in the", "after step", "scaled by")


def main(num: int) -> None:
    """Fill a database and ask it."""
    rng = random.Random(1337)
    names = [technique.name for technique in catalogue().values()]

    def text() -> str:
        return f"{rng.choice(names)} {rng.choice(CHANGES)} {rng.choice(PARTS)} {rng.choice(names)} {rng.random():.3f}"

    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "golf.toml").write_text("")
        with memory.opened(Workspace(Path(scratch))) as connection:
            start = time.perf_counter()
            memory.remember(
                connection, (memory.Hypothesis(name=f"e{n}", text=text(), status="discard") for n in range(num))
            )
            print(f"records: {num}, kept in {time.perf_counter() - start:.1f} s")
            times = []
            for _ in range(200):
                asked = text()
                start = time.perf_counter()
                memory.you_tried_this(connection, asked)
                times.append(1000 * (time.perf_counter() - start))
    times.sort()
    print(f"answer_ms: median {times[100]:.1f}, 95 % {times[190]:.1f}, slowest {times[-1]:.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 50_000)
