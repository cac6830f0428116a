"""How GitHub's REST API is asked. GITHUB_TOKEN is used where it is set: 5,000 questions an hour instead of 60.

Source: docs.github.com/en/rest, "Getting started" and "Rate limits"; the version is dated.
"""

from golf.research.web import secret

VERSION = "2022-11-28"


def headers(accept: str = "application/vnd.github+json") -> dict[str, str]:
    """Headers of a question."""
    token = secret("GITHUB_TOKEN")
    asked = {"Accept": accept, "X-GitHub-Api-Version": VERSION}
    return {**asked, "Authorization": f"Bearer {token}"} if token else asked
