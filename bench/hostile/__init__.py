"""The corpus of hostile submissions, a module for each way of being hostile."""

from importlib import import_module

from hostile.case import CASES

SUBJECTS = ("packed", "large", "parsing", "bait", "files", "commands", "unread")

for _subject in SUBJECTS:  # each takes its cases into the corpus, in this order
    import_module(f"hostile.{_subject}")

__all__ = ["CASES"]
