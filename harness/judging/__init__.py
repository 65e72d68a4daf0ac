"""Verdicts: pure functions from stored runs, baselines and published values to judgements."""
