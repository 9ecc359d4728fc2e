"""CHAIR, and Object HalBench, which counts as CHAIR does."""
