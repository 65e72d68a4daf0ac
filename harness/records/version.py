"""Version of the package. The build, `harness --version` and every stored job take it from here."""

__version__ = "0.1.0"
