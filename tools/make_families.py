"""Write docs/families.md from the capability lines of the model families.

    .venv/bin/python tools/make_families.py

A test compares the page with what this would write.
"""

from pathlib import Path

from groundtune.vlm.family import Family, families

PAGE = Path(__file__).parent.parent / "docs" / "families.md"

HEAD = """# Model families

Groundtune loads every model of transformers' image-text-to-text classes. Families differ only in
how fast you can train them. Look up yours by its `model_type`, from `config.json`:

- **packed**: the images of a prompt are encoded once, and its tokens run once for all its answers.
  Loss, token log-probabilities and gradients equal those of separate rows; a test of each family
  compares them on a tiny random model, in float32, within 1e-5.
- **separate**: every answer runs in its own row with its prompt; the images are still encoded once.
- **refused**: transformers has no class for it.

A family that isn't listed runs in separate rows, and its images are encoded once per row: slower.
Before it is trained, some later tokens of answers are changed: if log-probabilities of earlier
tokens move, or if the model can't run an answer after its prompt, it is refused. So is a processor
with an unknown field per token.

Gemma 3, and a model whose window is shorter than its rows, always use the dense mask.

| family | `model_type` | answers | reason and notes |
|---|---|---|---|
"""


def page() -> str:
    """Return the page's text."""
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
    needs = f"Its processor needs {' and '.join(family.packages)}." if family.packages else ""
    notes = " ".join(filter(None, (why, family.note, needs)))
    return f"| {family.name} | {types} | {answers} | {notes} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
