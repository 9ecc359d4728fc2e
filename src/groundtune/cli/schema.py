"""`groundtune schema`."""

import sys
from pathlib import Path


def schema(name: str = "", /, *, out: Path | None = None, json: bool = False) -> None:
    """Print the JSON Schema of recipes or records.

    Editors check a recipe against the schema that its first line names. Without a name the schemas
    are listed.

    For example:

        groundtune schema train
        groundtune schema --out schemas

    Args:
        name: A command that takes a recipe, or a record such as pair.
        out: Folder to write the schemas to, all of them or the named one, as NAME.schema.json.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.pipeline.recipes.schema import ENDING, names, schema_named
    from groundtune.store.files import write_atomic
    from groundtune.store.json_writing import json_of
    from groundtune.store.lock import hold

    chosen = [name] if name else list(names())
    texts = {each: json_of(schema_named(each), where=each, indent=2) + "\n" for each in chosen}
    if out is not None:
        with hold(out):
            for each, text in texts.items():
                write_atomic(out / f"{each}{ENDING}", text.encode())
        finish({"schemas": len(texts)}, path=out, json=json)
    elif name:
        sys.stdout.write(texts[name])
    else:
        finish(names(), next_command=["groundtune", "schema", chosen[0]], json=json)
