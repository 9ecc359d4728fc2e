"""The embedded world: scenes with their full truth, images and texts; simulated people; weights."""

NAME = "world"
"""Name of its prompts (`world:400`), models (`world:base`), and rules that divide answers."""
DATASET = "groundtune-world"
"""`Prompt.source.dataset` of prompts about scenes; `source.row` is then the scene's key."""
