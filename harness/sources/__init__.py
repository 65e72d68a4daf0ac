"""The systems that the sources describe; usable on their own, they import nothing of the harness."""
