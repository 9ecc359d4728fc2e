# /// script
# requires-python = ">=3.11"
# dependencies = ["groundtune"]
#
# [tool.uv]
# constraint-dependencies = ["torch==2.13.0", "transformers==5.23.0"]
#
# [tool.uv.sources]
# groundtune = { path = "../..", editable = true }
# ///
"""Fewer hallucinations without annotators: docs/tutorials/product.md as one script.

On the embedded world, then with your model, your images and a better model as the labeler:

    uv run examples/tutorials/tutorial_product.py
    uv run examples/tutorials/tutorial_product.py --model MODEL --images photos --labeler LABELER

It checks what the model says about the images, trains the model on the labeler's verdicts, and
compares both on images that neither learned from.
"""

import argparse
import subprocess
import sys
from pathlib import Path

WORLD = ["divider=world", 'asking.suffix=" Answer yes or no."']
"""Rules split the world's answers; a model that follows instructions splits them itself."""


def groundtune(*words: object) -> None:
    """Run a command of Groundtune; if it fails, so does the script."""
    print("\n$ groundtune", *words, flush=True)
    subprocess.run([sys.executable, "-m", "groundtune", *map(str, words)], check=True)


def main() -> None:
    """Check, train and compare."""
    parser = argparse.ArgumentParser(description="Fewer hallucinations without annotators.")
    parser.add_argument("--model", default="world:base", help="folder or name on the hub")
    parser.add_argument("--images", type=Path, help="folder; without it, scenes are drawn")
    parser.add_argument("--labeler", default="world:labeler", help='a better model, or "self"')
    parser.add_argument("--ask", default="Describe the image.")
    parser.add_argument("--out", type=Path, default=Path("runs/product"))
    parser.add_argument("--scenes", type=int, default=400, help="how many are drawn")
    parser.add_argument("--n", type=int, default=6, help="answers per image to learn from")
    parser.add_argument("--held-out", type=int, default=80, help="images to choose by, to report")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="more, for training")
    own = parser.parse_args()

    images = own.images or own.out / "scenes" / "images"
    if not own.images:
        groundtune("world", "data", "--scenes", own.scenes, "--out", own.out / "scenes")

    asked = ["--images", images, "--ask", own.ask, "--labeler", own.labeler]
    divided = WORLD if own.labeler.startswith("world:") else []
    groundtune("check", own.model, *asked, *divided, "--out", own.out / "before")

    recipe = "world-align" if own.model.startswith("world:") else "claims-ddpo"
    data = [f"model={own.model}", f"images={images}", "prompts=", f"ask={own.ask}"]
    sizes = [f"n={own.n}", f"choose.prompts={own.held_out}", f"reported={own.held_out}"]
    labeler = f"feedback.labeler={own.labeler}"
    aligned = own.out / "align"
    groundtune("align", recipe, *data, labeler, "rounds=1", *sizes, *own.settings, "--out", aligned)

    print(f"\nWhat the model said before: {own.out / 'before' / 'report.html'}")
    print(f"Before and after, on the same images: {aligned / 'report.html'}")
    print(f"To serve the model: groundtune serve {aligned / 'round-1' / 'model'}")


if __name__ == "__main__":
    main()
