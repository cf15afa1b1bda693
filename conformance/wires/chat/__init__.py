"""The wire of `/v1/chat/completions`."""
