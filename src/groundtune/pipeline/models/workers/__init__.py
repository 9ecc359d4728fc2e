"""Run a stage's batches in this process or on a Ray cluster."""
