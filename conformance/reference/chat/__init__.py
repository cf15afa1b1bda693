"""The half of the reference server that speaks Chat Completions."""
