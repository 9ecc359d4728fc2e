"""Faults put into runs on purpose: kills, flipped bits, two writers, a full disk, broken inputs."""
