"""Orders of a paid run: the very tree that was scored and reviewed, whatever the working tree has become since."""

from golf.schema import Experiment, Noun
from golf.workspace import TierSettings


class Replay(Noun):
    """What is played, fixed when it was submitted."""

    commit: str
    """The local run's snapshot."""
    experiment: str
    """The local run's experiment, a folder in it."""
    claim: Experiment
    tier: TierSettings
