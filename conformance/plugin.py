"""The address of the pytest plugin: `-p conformance.plugin`."""

pytest_plugins = ["conformance.pytesting.hooks"]
