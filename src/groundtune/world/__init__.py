"""The embedded world: scenes, their whole truth, images and texts; simulated people; weights."""

NAME = "world"
"""Of prompts (`world:400`), models (`world:base`), and the rules that divide answers."""
DATASET = "groundtune-world"
"""`Prompt.source.dataset` of prompts about scenes; `source.row` is then the scene's key."""
