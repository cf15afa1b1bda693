"""The pytest plugin: options, the server's life, collection, results."""
