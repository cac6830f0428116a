"""Lines for which a submission was ruled invalid, as tests have it: #7 adapts to what it scores later."""

import numpy as np
import pytest

from golf.referee import duplicates, resemblance

OFFENCE = """
def adapt(net, batches, rate):
    opt = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
    losses = []
    for step, (x, y) in enumerate(batches):
        opt.zero_grad(set_to_none=True)
        logits = net(x.to("cuda"), causal=True)
        loss = F.cross_entropy(logits.flatten(0, 1).float(), y.flatten(), reduction="mean")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        if step % 100 == 99:
            losses.append(sum(value.item() for value in [loss]) / 1)
    return losses
"""


def rule_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    """For this test the offence, and nothing else, is known as #7's."""
    lines = np.unique(resemblance.shortened(duplicates.runs(OFFENCE)))
    seven = resemblance.Known(7, "TTT_TRAIN_THEN_SCORE", "the ruling", lines)
    monkeypatch.setattr(resemblance, "known", lambda: [seven])
    monkeypatch.setattr(resemblance, "_table", resemblance._table.__wrapped__)  # kept, it would outlive the test
