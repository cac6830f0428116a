"""Sweeps: many values of a few settings as files and a script, as experiments, and as an honest recommendation."""
