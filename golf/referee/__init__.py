"""The referee: what is known about a submission without running it."""
