"""The embedded world: scenes whose whole truth is known, their pictures and texts, simulated people, shipped weights."""
