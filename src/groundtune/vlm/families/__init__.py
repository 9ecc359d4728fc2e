"""One file a model family: its capability lines, and its positions and masks where they differ."""
