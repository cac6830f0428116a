"""What every answer has in common."""

from typing import Annotated

from pydantic import ConfigDict, Field

from golf.schema import Noun

Said = Annotated[str, Field(pattern=r"\S")]
"""Text that says something."""

Name = Annotated[str, Field(pattern=r"^\S(.*\S)?$")]


class Answer(Noun):
    """Base of all answers: the line beneath a field is its description in the schema."""

    model_config = ConfigDict(use_attribute_docstrings=True)
