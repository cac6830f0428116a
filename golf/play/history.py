"""The ledger as an answer: filtered, with the best named."""

import itertools

from golf.play import ledger_index
from golf.schema import History
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
    with ledger_index.opened(workspace) as index:
        newest = index.newest(1, tier, status)
        rung = tier or (newest[0].tier if newest else None)
        kept = index.best(rung) if rung is not None and status in (None, "keep") else None
        if best_first:
            rows = list(itertools.islice(index.lowest(tier, status), limit))
        else:
            rows = index.newest(limit, tier, status)
        return History(total=index.count(tier, status), best=kept, rows=rows, path=str(workspace.ledger))
