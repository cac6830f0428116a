"""Data before it is trained on: a pipeline to begin with, and what a machine can see of leaks and damage."""
