"""A scorer asked without a process of its own: as fresh as its factory makes it."""

import numpy as np

from golf.errors import JobFailed
from golf.referee import scorers


class InProcess:
    """What `golf.referee.exchange.Remote` is, without the way in between."""

    def __init__(self, scorer: scorers.Scorer) -> None:
        self.scorer, self.vocab_size, self.can_predict = scorer, scorer.vocab_size, scorer.predict is not None

    def score(self, tokens: np.ndarray) -> np.ndarray:
        try:
            return scorers.score_rows(self.scorer, tokens)
        except (Exception, SystemExit) as error:
            raise JobFailed(f"the scorer failed: {error}") from error

    def predict(self, prefix: np.ndarray) -> np.ndarray:
        return scorers.predict_next(self.scorer, prefix)
