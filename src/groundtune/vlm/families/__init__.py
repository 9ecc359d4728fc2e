"""One file per model family: its capabilities, and its positions and masks where they differ."""
