"""One module a command; each has `run`, which raises a sentence or does what it says."""
