"""Engines: what serves a model, and how one is started here."""
