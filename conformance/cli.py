"""The address of the console script."""

from conformance.commands.main import main

__all__ = ["main"]
