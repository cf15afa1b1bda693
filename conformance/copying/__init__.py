"""A model whose weights are written by hand: it says again what stands in its prompt."""
