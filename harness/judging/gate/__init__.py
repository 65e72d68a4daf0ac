"""The gate: screen, confirm on fresh runs, decide. `rules` looks at one metric, `trials` at all of them, `procedure` runs what they ask for."""
