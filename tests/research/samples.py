"""An item, a row, a competitor and a standing to begin from: each test says what is different in its own."""

from datetime import UTC, datetime
from typing import Any

from golf.referee.techniques import catalogue
from golf.research.nouns import Competitor, Item
from golf.research.standing import Failed, Standing
from golf.schema import Row

NOW = datetime(2026, 4, 1, tzinfo=UTC)
BIGRAM = "Adding a BigramHash embedding to a small language model improves val loss by 0.006 bpb. Code is available."


def item(text: str = BIGRAM, title: str = "BigramHash embeddings", **fields: Any) -> Item:
    return Item(**{"id": "url:x", "source": "arxiv", "title": title, "text": text, "fetched_at": NOW, **fields})


def known(**fields: Any) -> Standing:
    return Standing(
        **{
            "baseline_bpb": 1.2244,
            "artifact_bytes_max": 16_000_000,
            "train_time_s_max": 600.0,
            "proven": [id for id, one in catalogue().items() if one.baseline],
            **fields,
        }
    )


def row(description: str, **fields: Any) -> Row:
    said = {
        "commit": "c", "tier": "local", "val_bpb": 1.21, "artifact_bytes": 1, "memory_gb": None, "status": "discard",
        "promoted": "no", "cost_usd": 0.0, "description": description,
    }  # fmt: skip
    return Row(**{**said, **fields})


def failed(*techniques: str, description: str = "d") -> Failed:
    return Failed(description=description, val_bpb=1.23, tier="local", status="discard", techniques=list(techniques))


def competitor(**fields: Any) -> Competitor:
    said = {"name": "PR #74", "number": 74, "author": "ada", "techniques": ["bigram_hash"], "val_bpb": 1.17}
    return Competitor(**{**said, "delta_from_baseline": -0.0544, "is_credible": True, **fields})
