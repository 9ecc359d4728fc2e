"""Answer files, data files and other evaluators' logs: reading, checking and writing them."""
