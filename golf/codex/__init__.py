"""Codex as Caddie meets it: what a workspace holds for it, what it must trust, what it sees, which model plays what."""
