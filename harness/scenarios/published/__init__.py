"""What the sources print, declared number by number with its place and row."""
