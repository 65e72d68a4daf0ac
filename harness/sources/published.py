"""What the sources print, declared number by number with its place and row."""

ACROSS = "across"
"""Variant without tiers or runs of its own: what a source says of several variants together.

A scenario whose expectations name it declares ``Variant(name=ACROSS, tiers=())``. The ledger puts the runs of one seed of all other
variants side by side, each metric as ``<variant>.<metric>``, and judges there.
"""
