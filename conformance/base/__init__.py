"""Files, JSON, events and numbers; knows nothing of models, servers or rules."""
