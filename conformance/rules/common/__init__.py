"""Rules that hold on every wire."""
