"""Sentences that ask for a short answer: they keep free descriptions from becoming short, too.

Data of short answers has them in its questions (LLaVA-1.5, arXiv 2310.03744, and LLaVA-RLHF, arXiv
2309.14525), and so have the benchmarks of short answers.
"""

SHORT = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."


def with_suffix(question: str, suffix: str) -> str:
    """Return a question with a suffix on a line of its own."""
    return f"{question.strip()}\n{suffix}"
