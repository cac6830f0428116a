"""Everything Caddie refuses, as one tree.

GolfError                 the message says what happened, the limit, the value and what to do next
├── RuleBroken            measured, and the answer is no                          exit 1
│   ├── BudgetRefused     money: reserve floor, rate limit, not enough left
│   └── FrozenFileChanged a run touched what it is scored with
├── TrackingFailed        the tracker did not keep a run; the run itself stands     exit 2
└── UnreadableInput       not measured: says nothing about legality               exit 2
    ├── AmbiguousInput    two candidates and no way to choose: the caller must
    ├── BadConfig         golf.toml, config.yaml or an argument is not usable
    ├── MissingPackage    an optional library or program is not installed
    ├── NotFound          no such workspace, experiment, job or file
    ├── JobFailed         a job ended without the result that was asked of it
    └── CodexFailed       the Codex CLI did not answer, or not as it should (golf.codex.app_server)
        └── CodexRefused  it answered with an error
"""

import sqlite3


class GolfError(Exception):
    """Base of every expected failure; `exit_code` is what the command line returns."""

    exit_code = 2


class RuleBroken(GolfError):
    """Measured, and over a limit or refused by a rule."""

    exit_code = 1


class BudgetRefused(RuleBroken):
    """The budget does not allow the run that was asked for."""


class FrozenFileChanged(RuleBroken):
    """A file that scores experiments differs from what it was before the run."""


class TrackingFailed(GolfError):
    """The tracker did not store a run's metrics; a caller notes it and goes on."""


class UnreadableInput(GolfError):
    """The input could not be measured; no number may be concluded from it."""


class AmbiguousInput(UnreadableInput):
    """Several files could be meant; none was chosen silently."""


class BadConfig(UnreadableInput):
    """A configuration or argument is malformed; the message names the key."""


class MissingPackage(UnreadableInput):
    """A library or program is needed here; the message ends in the command that installs it."""


class NotFound(UnreadableInput):
    """There is no such workspace, experiment, job or file."""


class JobFailed(UnreadableInput):
    """A job ended without the result it was started for."""


UNUSABLE = (GolfError, OSError, sqlite3.Error, ValueError, RecursionError, OverflowError)
"""What the doors explain in a line instead of a traceback: the tree above, and what systems and hostile input raise."""


def explained(error: Exception) -> GolfError:
    """The same failure as one of ours, with what to do next."""
    if isinstance(error, GolfError):
        return error
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return UnreadableInput(
            f"the workspace's database .golf/golf.db is damaged: {error}. It holds what was spent: move it away and "
            "keep it, then start again"
        )
    if isinstance(error, sqlite3.Error):
        return UnreadableInput(
            f"the workspace's database .golf/golf.db could not be used: {error}. Another process may hold it, or the "
            "folder may be full or read-only; what it holds is not lost"
        )
    if isinstance(error, OSError):
        return UnreadableInput(f"{error.filename or 'the system'}: {error.strerror or error}")
    return UnreadableInput(f"unusable input: {error}")
