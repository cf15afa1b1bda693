"""Cases as files, and the modes in which they are asked."""
