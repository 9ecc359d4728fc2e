"""The embedded world: the demo, the study, and the training of its models."""
