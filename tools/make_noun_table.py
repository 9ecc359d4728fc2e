"""Learns when NLTK's tagger takes a word of AMBER's vocabulary for a noun, and writes a table.

AMBER's script counts what NLTK's tagger (nltk.pos_tag) calls a noun. This script tags captions
with it, replaces nouns of the vocabulary at random and tags again, and learns from the answers an
averaged perceptron (Collins 2002) of its own: "noun" or "not", from the word and the four around
it. Nothing of the tagger's own weights goes into the table. The captions are only counted.
The shipped table was made of four fifths of 26,189 captions; the rest is what it was tried on.

Run once, in an environment of its own that has nltk with its tagger; the result is committed. The
captions were those of AoiDragon/POPE (MIT) and zjunlp/Deco, one a line of a text file.

python tools/make_noun_table.py CAPTIONS.txt RELATION.json
"""

import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import nltk

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
from groundtune.bench.amber_nouns import features
from groundtune.bench.coco_words import word_forms

OUT = Path(__file__).parents[1] / "src" / "groundtune" / "bench" / "tables" / "nouns.json"
FURTHER_TOKENS = 1_100_000
"""Of sentences in which nouns were replaced."""
ROUNDS = 6
MARGIN = 1
LEAST = 1.5
"""A weight below it is left out."""
RARE = 4
"""Times that a word must be seen before its usual tag is kept."""

Tagged = list[tuple[str, str]]


def further(sentences: Sequence[Tagged], nouns: Sequence[str], seed: int) -> Iterable[Tagged]:
    """Sentences whose nouns of the vocabulary were replaced by others of the same number."""
    draw, forms, done = random.Random(seed), word_forms()["lemma"], 0
    used = sorted({w for s in sentences for w, _ in s if forms.get(w, w) in set(nouns)})
    plurals = [word for word in used if word in forms]
    while done < FURTHER_TOKENS:
        words = [word for word, _ in draw.choice(sentences)]
        for i, word in enumerate(words):
            if forms.get(word, word) in nouns and draw.random() < 0.6:
                words[i] = draw.choice(plurals if word in forms else [*used, *nouns])
        done += len(words)
        yield nltk.pos_tag(words)


def learn(examples: list[tuple[list[str], bool]], seed: int) -> dict[str, float]:
    """Averaged weights of the features; a positive sum says noun."""
    weights: defaultdict[str, float] = defaultdict(float)
    totals: defaultdict[str, float] = defaultdict(float)
    since: dict[str, int] = {}
    draw, step = random.Random(seed), 0
    for _ in range(ROUNDS):
        draw.shuffle(examples)
        for found, is_noun in examples:
            step += 1
            value = sum(weights.get(name, 0.0) for name in found)
            sure = (value > 0) == is_noun and abs(value) >= MARGIN
            for name in [] if sure else found:
                totals[name] += (step - since.get(name, 0)) * weights[name]
                since[name] = step
                weights[name] += 1 if is_noun else -1
    return {n: (totals[n] + (step - since.get(n, 0)) * weights[n]) / step for n in weights}


def main(captions: str, relation: str) -> None:
    told = json.loads(Path(relation).read_text(encoding="utf-8"))
    nouns = sorted({word for head, others in told.items() for word in [head, *others]})
    forms = word_forms()["lemma"]
    lines = Path(captions).read_text(encoding="utf-8").splitlines()
    tagged: list[Tagged] = [nltk.pos_tag(nltk.word_tokenize(line)) for line in lines]
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sentence in tagged:
        for word, tag in sentence:
            seen[word.lower()][tag] += 1
    usual = {w: c.most_common(1)[0][0] for w, c in seen.items() if c.total() >= RARE}
    tags = {word: tag for word, tag in sorted(usual.items()) if tag != "NN"}
    examples: list[tuple[list[str], bool]] = []
    for sentence in [*tagged, *further(tagged, nouns, 3)]:
        words = [word for word, _ in sentence]
        for i, (word, tag) in enumerate(sentence):
            if forms.get(word, word) in nouns:
                examples.append((features(words, i, tags), tag.startswith("NN")))
    weights = {n: round(w) for n, w in sorted(learn(examples, 1).items()) if abs(w) >= LEAST}
    table = {"tags": tags, "weights": weights}
    OUT.write_text(json.dumps(table, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
