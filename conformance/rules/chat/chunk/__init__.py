"""Chunks of a stream: their envelope, what a delta holds, and the deltas of calls."""
