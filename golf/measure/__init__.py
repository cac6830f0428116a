"""Measuring: what an artifact weighs, what a model scores, what a log says."""
