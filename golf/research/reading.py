"""An item as far as rules read it, held against a standing: its claims, its techniques, what failed of it before."""

from functools import cached_property

from golf.referee import techniques
from golf.referee.techniques import Family
from golf.research import claims, likeness, mentions, statements
from golf.research.nouns import Item
from golf.research.standing import Failed, Standing


class Reading:
    """An item as far as rules read it, against a standing."""

    def __init__(self, item: Item, standing: Standing) -> None:
        self.item = item
        self.standing = standing
        text = f"{item.title}\n\n{item.text}"
        self.is_readable = statements.is_readable(text)
        self.text = text if self.is_readable else ""
        """Empty for one that is not made of words: what bytes spell by chance is no claim."""
        self.claims = claims.read(self.text)
        self.techniques = mentions.mentioned(self.text)
        """Technique → sentence that names it."""

    @cached_property
    def own(self) -> dict[str, str]:
        """The techniques it is about: without the naive baseline's, where it names any other."""
        known = techniques.catalogue()
        own = {id: words for id, words in self.techniques.items() if not known[id].baseline}
        return own or self.techniques

    @cached_property
    def families(self) -> dict[Family, str]:
        """The families of its techniques, each with the sentence that names one."""
        known = techniques.catalogue()
        return {known[id].family: words for id, words in reversed(self.own.items())}

    @property
    def is_ours(self) -> bool:
        """Whether it is about what is done here at all."""
        return bool(self.techniques or self.claims.subject)

    @cached_property
    def repeated(self) -> list[Failed]:
        """Failed experiments that tried one of its techniques, or what its title says."""
        return [
            failed
            for failed in self.standing.failed
            if not self.own.keys().isdisjoint(failed.techniques)
            or likeness.likeness(self.item.title, failed.description.split(": ", 1)[-1]) is not None
        ]
