"""Makes the tables of word forms that the caption benchmarks read tokens with.

The official scripts of CHAIR, Object HalBench and AMBER bring each token to a base form with
`singularize` of the package Pattern (BSD-3-Clause, University of Antwerp) or with NLTK's
WordNetLemmatizer (Apache-2.0) on WordNet's nouns (the WordNet licence, Princeton University).
For a fixed vocabulary only few forms matter: those that become one of its words, and its words
that become something else. This script asks these two functions for every ending that they know
and writes what they answer; nothing of their code or data goes into the tables.

Run once, in an environment of its own that has nltk with its corpus "wordnet", and Pattern 3.6
(its file pattern/text/en/inflect.py is enough); the results are committed.

python tools/make_word_tables.py SYNONYMS [SYNONYMS ...] RELATION.json
"""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from nltk.stem import WordNetLemmatizer
from pattern.en import singularize

OUT = Path(__file__).parents[1] / "src" / "groundtune" / "bench" / "text"
_ENDINGS = (
    "s es ies ves ae eaux ices ice ves i en oes ses yses opses oses a um us i men people children"
    " geese oxen leaves loaves feet teeth sexes moves axes beeves helves turves zoa kine brethren"
    " penises opuses corpora corpuses genera genii ganglia monies mongooses atlases trilbys our"
    " opera soliloquies mice lice quizzes statuses aliases vertices matrices indices itis ose ews"
    " xes zes ches shes series ives rves xs 's is os ss"
)
ENDINGS = _ENDINGS.split()
"""Of plurals, as the two functions and English grammar know them."""
LONGEST = 7
"""Letters of a word that an ending may stand for."""
FURTHER = "seat toilet baby adult passenger jet train animal cub home plate track glass"
"""Words of the official scripts' own lists of pairs."""


def words_of(lines: Iterable[str]) -> set[str]:
    return {word for line in lines for name in line.split(",") for word in name.split()}


def forms_of(words: set[str], base: Callable[[str], str]) -> dict[str, str]:
    """Each form that becomes a word of the vocabulary, or is one and becomes something else."""
    tried = set(words)
    for word in words:
        for cut in range(min(LONGEST, len(word)) + 1):
            tried |= {word[: len(word) - cut] + ending for ending in ENDINGS}
    made = {form: base(form) for form in tried}
    return {
        form: made[form]
        for form in sorted(made)
        if made[form] != form and (made[form] in words or form in words)
    }


def write(name: str, tables: dict[str, dict[str, str]]) -> None:
    text = json.dumps(tables, ensure_ascii=False, indent=0, sort_keys=True)
    (OUT / name).write_text(text + "\n", encoding="utf-8")


def main(synonyms: list[str], relation: str) -> None:
    lists = [Path(path).read_text(encoding="utf-8") for path in synonyms]
    coco = words_of(line for text in lists for line in [*text.splitlines(), FURTHER])
    coco |= {singularize(word) for word in coco}
    nouns = json.loads(Path(relation).read_text(encoding="utf-8"))
    amber = {word for head, others in nouns.items() for word in [head, *others]}
    lower = {word.lower() for word in coco} | amber
    write(
        "word_forms.json",
        {
            "singularize": forms_of(coco, singularize),
            "lemma": forms_of(lower, WordNetLemmatizer().lemmatize),
            "words": dict.fromkeys(sorted(coco | lower), ""),
        },
    )


if __name__ == "__main__":
    main(sys.argv[1:-1], sys.argv[-1])
