"""Rules of Chat Completions."""
