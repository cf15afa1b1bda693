"""The commands beside pytest, one module each."""
