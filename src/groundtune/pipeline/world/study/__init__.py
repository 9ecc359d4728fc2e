"""`study`: many runs of the loop, pooled."""
