# /// script
# requires-python = ">=3.11"
# dependencies = ["groundtune", "own-method", "own-benchmark"]
#
# [tool.uv]
# constraint-dependencies = ["torch==2.13.0", "transformers==5.23.0"]
#
# [tool.uv.sources]
# groundtune = { path = "../..", editable = true }
# own-method = { path = "../own_method" }
# own-benchmark = { path = "../own_benchmark" }
# ///
"""A custom loss and a custom benchmark: docs/tutorials/researcher.md as one script.

    uv run examples/tutorials/tutorial_researcher.py

`examples/own_method` has the loss in 25 lines, `examples/own_benchmark` the benchmark in 40. Change
them, or name your own:

    uv run --with ./my_method examples/tutorials/tutorial_researcher.py --method my-method
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path


def groundtune(*words: object) -> None:
    """Run a command of Groundtune; if it fails, so does the script."""
    print("\n$ groundtune", *words, flush=True)
    subprocess.run([sys.executable, "-m", "groundtune", *map(str, words)], check=True)


def count_people(scenes: Path, data: Path) -> None:
    """Write the benchmark's data: how many people are in each scene that has any."""
    with scenes.open(encoding="utf-8") as rows, data.open("w", encoding="utf-8") as file:
        for scene in map(json.loads, rows):
            counts = {thing["category"]: thing["number"] for thing in scene["objects"]}
            if "person" in counts:
                row = {"image": f"{scene['image']}.png", "people": counts["person"]}
                file.write(json.dumps(row) + "\n")


def main() -> None:
    """Train with DPO and with your loss on the same pairs, and measure both."""
    parser = argparse.ArgumentParser(description="A custom loss and a custom benchmark.")
    parser.add_argument("--method", default="hinge", help="the type of your method")
    parser.add_argument("--out", type=Path, default=Path("runs/researcher"))
    parser.add_argument("--scenes", type=int, default=600, help="to learn from")
    parser.add_argument("--items", type=int, default=150, help="scenes to measure on")
    parser.add_argument("--people", type=int, default=200, help="scenes of the own benchmark")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="more, for training")
    own = parser.parse_args()

    pairs = own.out / "pairs"
    asked = ["--prompts", f"world:{own.scenes}", "--n", 1, "--temperature", 0.3]
    groundtune("sample", "--model", "world:base", *asked, "--out", pairs)
    groundtune("label", "--answers", pairs)
    groundtune("pairs", "--corrections", pairs)

    models = {"base": "world:base"}
    for method in ("dpo", own.method):
        folder = own.out / method
        choice = [f"method.type={method}", *own.settings]
        groundtune("train", "world-dpo", *choice, "--pairs", pairs, "--out", folder)
        models[method] = str(folder / "model")

    groundtune("world", "data", "--scenes", own.people, "--out", own.out / "scenes")
    data = own.out / "people.jsonl"
    count_people(own.out / "scenes" / "scenes.jsonl", data)
    files = ["--data", f"people={data}", "--images", f"people={own.out / 'scenes' / 'images'}"]
    for name, model in models.items():
        target = ["--n", own.items, "--label", name, "--out", own.out / f"bench-{name}"]
        groundtune("bench", "run", model, "world", "people", *files, *target)
    groundtune("compare", *(own.out / f"bench-{name}" for name in models))


if __name__ == "__main__":
    main()
