"""Text to play on: this Python's own, offline, or the challenge's FineWeb shards from the Hub."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being worked on, how much is done and how much there is in all."""
