"""The nouns of AMBER's vocabulary in a description.

The official script takes what NLTK's tagger calls a noun and brings it to WordNet's base form.
Here a word of the vocabulary is a noun unless it is always something else to the tagger ("can",
"hot").
"""

from collections.abc import Set as AbstractSet

from groundtune.bench.coco_words import word_forms
from groundtune.bench.words import tokens

NEVER_NOUNS = frozenset(("can", "hot"))


def nouns_of(text: str, vocabulary: AbstractSet[str]) -> list[str]:
    """The base forms of a text's nouns that the vocabulary has, in order."""
    forms = word_forms()["lemma"]
    bases = [forms.get(token, token) for token in tokens(text) if token not in NEVER_NOUNS]
    return [base for base in bases if base in vocabulary]
