"""One session against a server, a matrix of sessions, and the cost of one beforehand."""
