"""Points asked of Optuna, told what came of them; its own SQLite file remembers, so that a killed search goes on.

Optuna's sampler draws from a generator that a new process would start anew. Here each point has its own, made of the
sweep's seed and the point's number: a search that was killed asks for what it would have asked for.
"""

import contextlib
import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from golf.desk.sweep.constraints import allowed
from golf.desk.sweep.points import LOOKED_AT_MAX, Point, axes, digest, drawn, point
from golf.desk.sweep.specification import Specification
from golf.desk.sweep.values import written
from golf.errors import BadConfig, MissingPackage, UnreadableInput

STORE = "optuna.db"
TRIES_PER_POINT = 50
"""Points in a row that are excluded or known before a search counts as exhausted."""
POINT, SWEPT = "point", "settings"


class Search:
    """An Optuna study of a sweep."""

    def __init__(self, spec: Specification, store: Path) -> None:
        """Raises MissingPackage without Optuna, and BadConfig when the store is of other settings than now."""
        assert spec.optuna is not None  # read has checked it
        self._spec, self._settings = spec, spec.optuna
        self._axes = axes(spec, is_drawn=True)
        store.parent.mkdir(parents=True, exist_ok=True)
        with _optuna() as optuna:
            self._study = optuna.create_study(
                storage=f"sqlite:///{store}",
                study_name=spec.name,
                load_if_exists=True,
                direction="minimize" if spec.metric.goal == "minimise" else "maximize",
            )
            space = digest(
                [spec.style, spec.grid, {key: one.model_dump() for key, one in spec.ranges.items()}, spec.fixed,
                 self._settings.seed, self._settings.startup, spec.metric.model_dump()]
            )  # fmt: skip
            known = self._study.user_attrs.get("space")
            if known is None:
                self._study.set_user_attr("space", space)
            elif known != space:
                raise BadConfig(
                    f"{store.name} has a search of {spec.name} over other settings: give the sweep a new name, or move "
                    "the file away"
                )

    def points(self) -> list[Point]:
        """All points that were asked for, in order, those that were told too."""
        found: dict[str, Point] = {}
        for trial in self._study.get_trials(deepcopy=False):
            if POINT in trial.user_attrs:
                one = point(self._spec, self._swept(trial.params))
                found.setdefault(one.name, one)
        return list(found.values())

    def waiting(self) -> list[Point]:
        """Points that nothing was told of yet."""
        return [
            point(self._spec, self._swept(trial.params))
            for trial in self._study.get_trials(deepcopy=False)
            if POINT in trial.user_attrs and not trial.state.is_finished()
        ]

    @property
    def asked(self) -> int:
        """Different points asked for so far."""
        return len(self.points())

    def ask(self, many: int) -> list[Point]:
        """Up to so many new points, while the sweep's number of trials is not reached and there are any left."""
        new = []
        scores = self._scores()
        known = {one.name for one in self.points()}
        most = min(self._settings.trials, self._finite())
        with _optuna() as optuna:
            while len(new) < many and len(known) < most:
                for _ in range(TRIES_PER_POINT):
                    trial = self._next(optuna)
                    swept = self._swept(trial.params)
                    one = point(self._spec, swept)
                    if not allowed(one.settings, self._spec.exclude, self._spec.constraints):
                        self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
                    elif one.name in known:  # small spaces: what is known is not played again
                        score = scores.get(one.name)
                        if score is None:
                            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
                        else:
                            self._study.tell(trial, score)
                    else:
                        trial.set_user_attr(POINT, one.name)
                        known.add(one.name)
                        new.append(one)
                        break
                else:
                    return new
        return new

    def tell(self, score_of: Callable[[str], float | None], has_failed: Callable[[str], bool]) -> int:
        """Say what came of points that are open; returns of how many."""
        told = 0
        with _optuna() as optuna:
            for trial in self._study.get_trials(deepcopy=False):
                name = trial.user_attrs.get(POINT)
                if name is None or trial.state.is_finished():
                    continue
                score = score_of(name)
                if score is not None:
                    self._study.tell(trial.number, score)
                elif has_failed(name):
                    self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
                else:
                    continue
                told += 1
        return told

    def _finite(self) -> int:
        """How many points there are; no end of them with ranges."""
        if self._spec.ranges or math.prod(map(len, self._axes.values())) > LOOKED_AT_MAX:
            return LOOKED_AT_MAX
        rows = itertools.product(*self._axes.values())
        every = ({**self._spec.fixed, **dict(zip(self._axes, row, strict=True))} for row in rows)
        return sum(allowed(settings, self._spec.exclude, self._spec.constraints) for settings in every)

    def _scores(self) -> dict[str, float]:
        return {
            trial.user_attrs[POINT]: trial.values[0]
            for trial in self._study.get_trials(deepcopy=False)
            if POINT in trial.user_attrs and trial.values
        }

    def _next(self, optuna: Any) -> Any:
        number = len(self._study.get_trials(deepcopy=False))
        own = int(digest([self._settings.seed, number])[:8], 16)
        self._study.sampler = optuna.samplers.TPESampler(
            seed=own, n_startup_trials=self._settings.startup, constant_liar=True
        )
        return self._study.ask(self._distributions(optuna))

    def _distributions(self, optuna: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, values in self._axes.items():
            one = self._spec.ranges.get(key)
            if one is None:
                found[key] = optuna.distributions.CategoricalDistribution(self._texts(key, values))
            elif one.is_whole:
                found[key] = optuna.distributions.IntDistribution(values[0], values[1], log=one.scale == "log")
            else:
                found[key] = optuna.distributions.FloatDistribution(one.low, one.high, log=one.scale == "log")
        return found

    def _texts(self, key: str, values: tuple[Any, ...]) -> list[str]:
        return [written(self._spec.style, key, value) for value in values]

    def _swept(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What Optuna suggests, as it is played."""
        swept: dict[str, Any] = {}
        for key, values in self._axes.items():
            one = self._spec.ranges.get(key)
            if one is None:
                swept[key] = values[self._texts(key, values).index(params[key])]
            else:
                swept[key] = params[key] if one.is_whole else drawn(one, params[key])
        return swept


@contextlib.contextmanager
def _optuna() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import optuna
        except ImportError as error:
            raise MissingPackage("design optuna needs Optuna. Install it: pip install 'caddie[optuna]'") from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield optuna
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            raise UnreadableInput(
                f"the search's {STORE} cannot be used: {' '.join(str(error).split())[:200]}. Move it away to begin anew"
            ) from error
