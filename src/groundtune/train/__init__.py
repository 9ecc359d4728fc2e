"""Training on pairs: the reference cache, the loop, checkpoints, parallel processes."""
