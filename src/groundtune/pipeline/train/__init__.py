"""`train`: from pairs to a checkpoint."""
