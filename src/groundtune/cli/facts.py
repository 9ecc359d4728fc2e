"""`groundtune facts`."""

import sys
from pathlib import Path

from groundtune.cli.recipe_argument import Settings


def facts(
    run: Path,
    source: str,
    /,
    *settings: Settings,
    out: Path = Path("runs/facts"),
    json: bool = False,
) -> None:
    """Add facts about the images to the prompts of a run: captions, boxes, or texts of a file.

    Reward models and judges can read facts; the model that answers never does. The run is written
    again, to another folder, with all its answers and feedback.

    For example:

        groundtune facts runs/compared detector:world:detector --out runs/compared-facts
        groundtune facts runs/llava-rlhf image_to_caption.json --out runs/llava-rlhf-facts

    Args:
        run: Folder of prompts, with answers, comparisons, corrections or pairs.
        source: A file of facts by image (JSON of {image: [facts]}, or rows of image and facts),
            annotations:PATH for captions and boxes of COCO's or Visual Genome's files, or
            detector:MODEL for the boxes of an object detector.
        settings: Settings that have no option: replace, device.
        out: Folder for the run with facts.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.feedback.facts import FactSourceSettings, add_facts
    from groundtune.recipe_loading import load

    params = load(None, list(settings), FactSourceSettings, options={"source": source})
    with open_progress(silent=json) as progress:
        summary = add_facts(run, out, params, progress, command=sys.argv)
    command = ["groundtune", "reward", "train", "--feedback", out, "--facts", "shown"]
    finish(summary.model_dump(), path=out, next_command=command, json=json)
