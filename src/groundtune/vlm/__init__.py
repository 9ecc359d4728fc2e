"""The only layer that knows model families: load, template, image features."""
