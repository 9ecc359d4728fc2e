"""The embedded world: scenes, their whole truth, pictures and texts; simulated people; weights."""
