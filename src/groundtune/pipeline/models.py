"""Names of models: a folder, a name on the Hugging Face hub, or one of the embedded world's."""

_WORLD = "world:"


def resolve(name: str) -> str:
    """What `vlm.load` takes: `world:base` becomes the folder of the shipped weights.

    Raises:
        UserError: the world has no such model.
    """
    if not name.startswith(_WORLD):
        return name
    from groundtune.world import weights

    return str(weights.path(name.removeprefix(_WORLD)))
