"""The bundle's skills as Codex finds them, and a word search over texts."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

FOLDER = Path(__file__).parents[2] / "plugins" / "caddie" / "skills"


@dataclass(frozen=True)
class Skill:
    """One folder with its SKILL.md."""

    folder: Path

    @cached_property
    def text(self) -> str:
        return (self.folder / "SKILL.md").read_text(encoding="utf-8")

    @cached_property
    def fields(self) -> dict[str, str]:
        """The front matter, read as strictly as YAML is."""
        return yaml.safe_load(self.text.split("---\n", 2)[1])

    @property
    def body(self) -> str:
        return self.text.split("---\n", 2)[2]

    @property
    def is_listed(self) -> bool:
        """Whether Codex shows it to the model in every session."""
        path = self.folder / "agents" / "openai.yaml"
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
        return settings.get("policy", {}).get("allow_implicit_invocation", True)


SKILLS = {folder.name: Skill(folder) for folder in sorted(FOLDER.iterdir()) if (folder / "SKILL.md").exists()}


def ranked(query: str, texts: Mapping[str, str]) -> list[str]:
    """Names of `texts`, best first, by BM25 (k1 1.2, b 0.75); what shares no word is left out."""
    documents = {name: Counter(_words(text)) for name, text in texts.items()}
    average = sum(sum(words.values()) for words in documents.values()) / len(documents)
    scores: Counter[str] = Counter()
    for word in set(_words(query)):
        holders = sum(word in words for words in documents.values())
        weight = math.log(1 + (len(documents) - holders + 0.5) / (holders + 0.5))
        for name, words in documents.items():
            if count := words[word]:
                length = 0.25 + 0.75 * sum(words.values()) / average
                scores[name] += weight * count * 2.2 / (count + 1.2 * length)
    return [name for name, _ in scores.most_common()]


def _words(text: str) -> list[str]:
    """Lower case; a plural, a gerund and a past tense count as their stem, roughly."""
    return [re.sub(r"(?<=\w{3})(ing|ed|es|s|e)$", "", word) for word in re.findall(r"[a-z0-9]+", text.lower())]
