"""How bytes are fetched from a server, without an idea of what they mean."""
