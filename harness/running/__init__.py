"""Runs: which are planned and done, and the worker processes that execute them, here, on a cluster, or in another checkout."""
