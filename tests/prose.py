"""Faults of English that a person would notice, for tests of what the world writes."""

import re

ONE = r"(?:dog|cat|cup|person|bus|knife|car)"
MANY = r"(?:dogs|cats|cups|people|buses|knives|cars)"
SEVERAL = r"(?i:two|three|four|five|six|seven|eight)"
FAULTS: dict[str, str] = {
    "two spaces": r"  ",
    "space at an end": r"^ | $",
    "space before a stop": r" [.,!?;:]",
    "stops in a row": r"[.,!?:;][.,!?:;]",
    "no space after a stop": r"[.,!?][A-Za-z]",
    "small letter after a stop": r"(?:^|[.!?] )[a-z]",
    "large letter inside": r"[a-z,] [A-HJ-Z]",
    "a before a vowel": r"\b[Aa] [aeiou]",
    "an before a consonant": r"\b[Aa]n [^aeiou]",
    "two articles": r"\b(?:a|an|the) (?:a|an|the)\b",
    "two joints": r"\band,? and\b|, and\b|\band[.,]",
    "a joint without an item": r"(?:^|[.:] )(?:[Aa]nd\b|,)|, ?[.]|\band[.]",
    "plural verb, one thing": r"\b(?:[Tt]here are)(?: also)? (?:an?|one) ",
    "singular verb, several": rf"\b(?:[Tt]here is)(?: also)? {SEVERAL} ",
    "one thing in the plural": rf"\b(?:a|an|one) (?:\w+ )?{MANY}\b",
    "several in the singular": rf"\b{SEVERAL} (?:\w+ )?{ONE}\b",
    "an unfilled field": r"[{}]",
}


def faults(text: str) -> list[str]:
    """Names of the faults of a text."""
    return [name for name, pattern in FAULTS.items() if re.search(pattern, text)]
