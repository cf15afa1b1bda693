"""Endpoints: how a case is asked over each, and how its bytes are read."""
