"""CHAIR, and Object HalBench, which counts like CHAIR."""
