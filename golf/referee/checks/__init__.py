"""What the referee looks for: one module per concern, each `findings(case)` on the same reading of a submission.

A check reads and never runs. It says what it can show a line for, and softens what it only suspects to a flag.
"""

from golf.referee import resemblance
from golf.referee.checks import (
    access,
    adaptation,
    byte_tables,
    caches,
    claims,
    concealed,
    data,
    lookahead,
    metric,
    mixtures,
    packaging,
    shipped,
    sizes,
    times,
    traces,
)

CHECKS = (
    packaging, sizes, shipped, times, data, metric, byte_tables, adaptation, lookahead, caches, mixtures, access,
    traces, claims, concealed, resemblance,
)  # fmt: skip
