"""`competitors.json`: what the referee found below each folder that was put before it; the last word on each counts."""

from collections.abc import Sequence

from pydantic import AwareDatetime, ValidationError

from golf import durable
from golf.errors import UnreadableInput
from golf.research import place
from golf.research.nouns import Competitor
from golf.schema import Noun
from golf.workspace import Workspace

SURVEYS = "competitors.json"


class Survey(Noun):
    """Submissions of others as the referee judged them."""

    at: AwareDatetime
    folder: str
    """What was judged."""
    competitors: list[Competitor]


class Surveys(Noun):
    """One for each folder, the newest last."""

    surveys: list[Survey]

    @property
    def competitors(self) -> list[Competitor]:
        """Of all of them; what two folders have is once in it, as the newer survey has it."""
        found: dict[tuple[int | None, str], Competitor] = {}
        for survey in self.surveys:
            found |= {(one.number, one.name.rpartition("/")[2]): one for one in survey.competitors}
        return list(found.values())


def keep(workspace: Workspace, found: Survey, *, is_only: bool = False) -> None:
    """Add a survey, in place of an earlier one of the same folder, or of all with `is_only`.

    Raises:
        UnreadableInput: as `read`.
    """
    folder = place.folder(workspace)
    with place.locked(folder):
        others = [] if is_only else [one for one in read(workspace).surveys if one.folder != found.folder]
        durable.replace(folder / SURVEYS, Surveys(surveys=[*others, found]).model_dump_json())


def read(workspace: Workspace) -> Surveys:
    """Every survey; none before the first.

    Raises:
        UnreadableInput: the file is damaged.
    """
    path = place.folder(workspace) / SURVEYS
    try:
        return Surveys.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Surveys(surveys=[])
    except ValidationError as error:
        raise UnreadableInput(
            f"{path} holds no surveys ({error.error_count()} problems). Delete it, and judge them again: "
            "golf research competitors FOLDER"
        ) from None


def told(surveys: Sequence[Survey]) -> str:
    """Which folders, and when, in a line."""
    return "; ".join(f"{one.folder}, {one.at:%Y-%m-%d %H:%M} UTC" for one in surveys[-3:]) + (
        f"; and {len(surveys) - 3} before" if len(surveys) > 3 else ""
    )
