"""`check`: claims about your own images."""
