"""Pure functions and small context managers that measure."""
