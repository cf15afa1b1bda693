"""Chunks of a stream: their envelope, what a delta holds, and the deltas of calls."""

BLAME = "server"
SPEC = "https://platform.openai.com/docs/api-reference/chat-streaming"
