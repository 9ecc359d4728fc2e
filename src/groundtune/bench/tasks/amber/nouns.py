"""The nouns of AMBER's vocabulary in a description, as NLTK's tagger finds them or nearly so.

The official script takes what `nltk.pos_tag` calls a noun and brings it to WordNet's base form.
Here a small tagger that was learnt from its answers (`amber_tagger.py`) tells which words those
are, and a table (`coco_words.word_forms`) has the base forms of the vocabulary's words. Of 13,209
real captions of images that it was not learnt from, the noun lists of 98.0% are equal to NLTK's,
and 99.7% of their nouns; where they differ, it is mostly that the tagger takes a noun for an
adjective or the other way round.
"""

from collections.abc import Set as AbstractSet

from groundtune.bench.tasks.amber.tagger import tag_table, tags_of
from groundtune.bench.text.coco_words import word_forms
from groundtune.bench.text.tokens import tokens


def nouns_of(text: str, vocabulary: AbstractSet[str]) -> list[str]:
    """The base forms of a text's nouns that the vocabulary has, in order."""
    forms, said = word_forms()["lemma"], tokens(text)
    bases = [forms.get(token, token) for token in said]
    if vocabulary.isdisjoint(bases):
        return []
    tags = tags_of(said, tag_table())
    return [
        base
        for base, tag in zip(bases, tags, strict=True)
        if base in vocabulary and tag.startswith("NN")
    ]
