"""How often the gate errs, and how often its peers do on the same values: simulations from fixed seeds for docs/error-rates.md."""
