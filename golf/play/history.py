"""The ledger as an answer: filtered, with the best named."""

from golf.play import ledger
from golf.schema import History, Row
from golf.workspace import Workspace


def history(
    workspace: Workspace,
    *,
    limit: int = 20,
    tier: str | None = None,
    status: str | None = None,
    best_first: bool = False,
) -> History:
    """At most `limit` rows: the newest, oldest of them first, or the lowest val_bpb first.

    Raises:
        UnreadableInput: results.tsv has a malformed line; the message names it.
    """
    found = [
        row
        for row in ledger.iterate(workspace.ledger)
        if (tier is None or row.tier == tier) and (status is None or row.status == status)
    ]
    scored = sorted((row for row in found if row.val_bpb is not None), key=_score)
    rung = tier or (found[-1].tier if found else None)
    kept = next((row for row in scored if row.status == "keep" and row.tier == rung), None)
    rows = scored[:limit] if best_first else found[-limit:] if limit else []
    return History(total=len(found), best=kept, rows=rows, path=str(workspace.ledger))


def _score(row: Row) -> float:
    assert row.val_bpb is not None
    return row.val_bpb
