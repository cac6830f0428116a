"""Which settings differ from those of a tracked run."""
