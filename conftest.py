"""Load the suite as a plugin, in one way only."""

pytest_plugins = ["conformance.plugin"]
