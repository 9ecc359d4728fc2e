"""Writes docs/families.md from the capability lines of the model families.

    .venv/bin/python tools/make_families.py

A test compares the page with what this would write.
"""

from pathlib import Path

from groundtune.vlm.family import Family, families

PAGE = Path(__file__).parent.parent / "docs" / "families.md"

HEAD = """# Model families

Groundtune loads every model of transformers' image-text-to-text classes. What differs between
families is how fast they can be trained:

- **packed**: a prompt's images are encoded once and its tokens run once for all answers to it.
  Loss, token log-probabilities and gradients equal those of separate rows; a test of each family
  compares them on a tiny random model, in float32, within 1e-5.
- **separate**: every answer is a row of its own with its prompt; the images are still encoded once.
- **refused**: no class of transformers runs it.

A family that isn't listed is run in separate rows and gets its pixels once a row: exact, but
slower. Gemma 3, and a model whose window is shorter than its rows, always take the dense mask.

| family | `model_type` | answers | why, and what else to know |
|---|---|---|---|
"""


def page() -> str:
    """The page's text."""
    return HEAD + "".join(_line(family) for family in families())


def _line(family: Family) -> str:
    types = ", ".join(f"`{each}`" for each in family.model_types) or "-"
    answers = (
        "refused" if not family.model_types else "separate" if family.separate_reason else "packed"
    )
    why = (
        f"{family.separate_reason[0].upper()}{family.separate_reason[1:]}."
        if family.separate_reason
        else ""
    )
    return (
        f"| {family.name} | {types} | {answers} | {' '.join(filter(None, (why, family.note)))} |\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
