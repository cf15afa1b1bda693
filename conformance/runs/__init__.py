"""One session against a server, many of them in a matrix, and what one would cost."""
