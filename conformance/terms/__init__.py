"""The words of the suite as data."""
