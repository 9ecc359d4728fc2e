"""A made-up HallusionBench of 1,129 rows, and judges' replies with every fault to any of them.

Golden numbers were made with these by the official code; a change here needs them made anew.
"""

import random

VERDICTS = (
    *("correct",) * 9,
    *("incorrect",) * 5,
    *("unclear",) * 3,
    "Correct.",
    "Incorrect: it says so",
    "The prediction is not correct",
    '"correct"',
    "I can't tell",
    "",
    "partially correct",
    "correct or incorrect",
    "right",
    "correctness unclear",
)
SAMES = (
    *("same",) * 4,
    *("different",) * 4,
    "Same.",
    "not the same",
    "I don't know",
    "",
    "the SAME thing",
    "different, not same",
)


def rows() -> list[dict[str, str | None]]:
    made = [_row("VD", s, f, q) for s in range(100) for f in range(2) for q in range(3)]
    made += [_row("VS", s, f, q) for s in range(58) for f in range(3) for q in range(3)]
    return made + [_row("VD", 100, 0, q) for q in range(7)]


def _row(category: str, in_set: int, figure: int, question: int) -> dict[str, str | None]:
    visual = min(figure + (category == "VD"), 2)
    return {
        "category": category,
        "subcategory": ("chart", "map")[in_set % 2],
        "visual_input": str(visual),
        "set_id": str(in_set),
        "figure_id": str(figure),
        "sample_note": "",
        "question_id": str(question),
        "question": f"Is {in_set} more than {question}?",
        "gt_answer_details": f"It is {question}.",
        "gt_answer": str((in_set + figure + question) % 2),
        "filename": f"./{category}/{in_set}_{figure}.png" if visual else None,
    }


def replies(number: int) -> list[tuple[str, str]]:
    """(verdict, same) of each of so many rows."""
    draw = random.Random(7)
    return [(draw.choice(VERDICTS), draw.choice(SAMES)) for _ in range(number)]
