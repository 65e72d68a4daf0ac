"""The machine: its processes, control groups and environment variables, and the fingerprint that says what compares here."""
