"""Stage `train`: from pairs to a trained model."""
