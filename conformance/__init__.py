"""A conformance test suite for the tool-call parsers of LLM servers."""

__version__ = "0.1.0"
