"""Results of runs as files: written, read, compared, accepted."""
