"""The embedded world: scenes, their whole truth, pictures and texts; simulated people; weights."""

DATASET = "groundtune-world"
"""`Prompt.source.dataset` of prompts about scenes; `source.row` is then the scene's key."""
