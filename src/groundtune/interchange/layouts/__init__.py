"""One file per foreign layout."""
