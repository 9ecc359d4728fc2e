# /// script
# requires-python = ">=3.11"
# dependencies = ["groundtune[tables]"]
#
# [tool.uv]
# constraint-dependencies = ["torch==2.13.0", "transformers==5.23.0"]
#
# [tool.uv.sources]
# groundtune = { path = "../..", editable = true }
# ///
"""Corrections from your experts' spreadsheet: docs/tutorials/experts.md as one script.

On the embedded world, where a simulated expert fills in the table:

    uv run examples/tutorials/tutorial_experts.py

With your model and images it stops once the table is there. Start it again with the filled table:

    uv run examples/tutorials/tutorial_experts.py --model MODEL --images photos
    uv run examples/tutorials/tutorial_experts.py --model MODEL --corrected corrected.csv
"""

import argparse
import csv
import subprocess
import sys
from pathlib import Path

COLUMN = "corrected answer"
"""What experts fill in; it stays empty where nothing is wrong."""


def groundtune(*words: object) -> None:
    """Run a command of Groundtune; if it fails, so does the script."""
    print("\n$ groundtune", *words, flush=True)
    subprocess.run([sys.executable, "-m", "groundtune", *map(str, words)], check=True)


def simulated_expert(run: Path, table: Path, corrected: Path) -> None:
    """Fill in the table by the world's truth; a tenth of the errors is missed or spoilt."""
    import groundtune

    texts = {row.text: row.corrected for row in groundtune.Run(run).label(error_rate=0.1)}
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row[COLUMN] = texts[row["answer"]]
    with corrected.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Make the table, and from the filled one a model and a comparison."""
    parser = argparse.ArgumentParser(description="Corrections from your experts' spreadsheet.")
    parser.add_argument("--model", default="world:base", help="folder or name on the hub")
    parser.add_argument("--images", type=Path, help="folder; without it, scenes are drawn")
    parser.add_argument("--ask", default="Describe the image.")
    parser.add_argument("--corrected", type=Path, help="the table that your experts filled in")
    parser.add_argument("--out", type=Path, default=Path("runs/experts"))
    parser.add_argument("--scenes", type=int, default=600, help="how many are drawn")
    parser.add_argument("--items", type=int, default=150, help="scenes to compare the models on")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="more, for training")
    own = parser.parse_args()

    answers, tables = own.out / "answers", own.out / "to-correct"
    corrected = own.corrected or tables / "corrected.csv"
    if not own.corrected:
        seen = ["--images", own.images, "--ask", own.ask]
        asked = seen if own.images else ["--prompts", f"world:{own.scenes}"]
        once = ["--n", 1, "--temperature", 0.3]
        groundtune("sample", "--model", own.model, *asked, *once, "--out", answers)
        groundtune("export", "corrections", answers, "--out", tables / "answers.csv")
        if own.images:
            print(f'\nFill in the column "{COLUMN}" of {tables / "answers.csv"}.')
            print("Then start this script again with --corrected and the filled table.")
            return
        simulated_expert(answers, tables / "answers.csv", corrected)

    pairs, tuned = own.out / "corrected", own.out / "tuned"
    groundtune("import", "corrections", corrected, "--out", pairs)
    recipe = ["world-ddpo"] if own.model.startswith("world:") else ["rlhf-v", f"model={own.model}"]
    groundtune("train", *recipe, *own.settings, "--pairs", pairs, "--out", tuned)

    if own.images or own.model != "world:base":
        print(f"\nThe corrected answers: {pairs / 'report.html'}. The new model: {tuned / 'model'}")
        print("Compare it with the old one: docs/check.md, or a fresh table for your experts.")
        return
    folders = [own.out / "bench-base", own.out / "bench-tuned"]
    for model, folder in zip((own.model, tuned / "model"), folders, strict=True):
        label = folder.name.removeprefix("bench-")
        size = ["--n", own.items, "--label", label, "--out", folder]
        groundtune("bench", "run", model, "world", *size)
    groundtune("compare", *folders, "--out", own.out / "comparison")


if __name__ == "__main__":
    main()
