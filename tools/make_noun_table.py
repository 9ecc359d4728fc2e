"""Learns a tagger from the answers of NLTK's, for AMBER's nouns, and writes its table.

AMBER's script counts what NLTK's tagger (nltk.pos_tag) calls a noun. This script tags captions
with it, replaces words by others at random (half of the nouns of AMBER's vocabulary by others of
it, of which half are drawn by how usual they are; other words by such as have the same tag) and
tags again. From the answers an averaged perceptron of its own learns (Collins 2002; a margin,
many tokens at once), small weights are left out, and those that stay are learnt on. Nothing of the
tagger's own weights goes into the table.

The captions are those of caption_data in AoiDragon/POPE (MIT) at 08d957b and of opera_log in
zjunlp/Deco at fee8d75, of half of the images (`is_learnt_from`); they are only counted. Run in an
environment of its own that has nltk with its tagger and its tokenizer, numpy and Groundtune's
dependencies, it takes fourteen minutes of processor time and 2.9 GiB; the same captions and NLTK
give the same table, byte by byte. docs/benchmarks.md ("Captions: parity") has how near it is.

python tools/make_noun_table.py POPE DECO RELATION.json TABLE.json
"""

import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
from groundtune.bench.tasks.amber.tagger import BEFORE, BEHIND, TagTable, alike, features
from groundtune.bench.text.coco_words import word_forms

FURTHER_TOKENS = 12_000_000
"""Of sentences in which words were replaced."""
DRAWN = 200_000
"""Words that are drawn at once."""
SWAPPED = "NN NNS JJ JJR VB VBD VBG VBN VBP VBZ RB"
"""Tags of words that are replaced by others with the same tag."""
KNOWN = 20
"""Times that a word must be seen, always with one tag, to be a known word."""
SEEN = 4
"""Times that a feature must be seen."""
ROUNDS, ROUNDS_AFTER = 8, 4
MARGIN = 5
LEAST = 4.0
"""A weight below it is left out."""
TOKENS = 128
"""Learnt from at once."""

Tagged = list[tuple[str, str]]


class Examples(NamedTuple):
    """Tokens that aren't known words, N of them with K features each."""

    names: list[str]
    """Of features; the first is none."""
    tags: list[str]
    found_NK: np.ndarray
    tag_N: np.ndarray


def is_learnt_from(image: int) -> bool:
    """Whether an image of COCO is in the half that is learnt from; the other is only tried."""
    return sha256(str(image).encode()).digest()[0] % 2 == 0


def captions_of(pope: Path, deco: Path) -> list[str]:
    """The different captions of that half, in the order of the files' names."""
    files = [*sorted(pope.glob("caption_data/*.json")), *sorted(deco.glob("opera_log/*/*.jsonl"))]
    rows = (row for path in files for row in objects_of(path.read_text(encoding="utf-8")))
    return list(
        dict.fromkeys(
            row["text"] if "text" in row else row["caption"]
            for row in rows
            if is_learnt_from(row["image_id"])
        )
    )


def objects_of(text: str) -> Iterator[dict[str, Any]]:
    """JSON objects, one behind the other; they may stand on several lines."""
    decoder, end = json.JSONDecoder(), 0
    while begin := text.find("{", end) + 1:
        found, end = decoder.raw_decode(text, begin - 1)
        yield found


def sentences(captions: Iterable[Tagged]) -> list[Tagged]:
    """Their different sentences."""
    found: dict[tuple[tuple[str, str], ...], None] = {}
    for caption in captions:
        ends = [i + 1 for i, (word, _) in enumerate(caption) if word in (".", "!", "?")]
        for begin, end in zip([0, *ends], [*ends, len(caption)], strict=True):
            if 3 <= end - begin < 60:
                found[tuple((word, tag) for word, tag in caption[begin:end])] = None
    return sorted(map(list, found))


def drawn(often: Counter[str], draw: random.Random) -> list[str]:
    """Words by the root of how often they are there."""
    return draw.choices(list(often), [n**0.5 for n in often.values()], k=DRAWN)


def further(captions: Sequence[Tagged], nouns: Sequence[str], seed: int) -> Iterable[list[str]]:
    """Tokens of sentences in which words were replaced."""
    draw, forms, vocabulary = random.Random(seed), word_forms()["lemma"], set(nouns)
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for caption in captions:
        for word, tag in caption:
            seen[tag][word] += 1
    others = {tag: drawn(seen[tag], draw) for tag in SWAPPED.split() if seen[tag]}
    plurals = sorted(
        form
        for form, base in forms.items()
        if base in vocabulary - {form}
        and (form in seen["NNS"] or form in (base + "s", base + "es"))
    )
    pools: dict[bool, list[list[str]]] = {}
    for plural, words in ((False, list(nouns)), (True, plurals)):
        used = Counter({word: sum(seen[tag][word] for tag in seen) for word in words})
        pools[plural] = [words, drawn(+used, draw) if +used else words]
    whole, done = sentences(captions), 0
    while done < FURTHER_TOKENS:
        said, often = list[str](), draw.choice((0.15, 0.4))
        for word, tag in draw.choice(whole):
            if forms.get(word, word) in vocabulary:
                swap = draw.choice(draw.choice(pools[word in forms]))
                said += swap.split(" ") if draw.random() < 0.5 else [word]
            else:
                swaps = tag in others and draw.random() < often
                said.append(draw.choice(others[tag]) if swaps else word)
        done += len(said)
        yield said


def known_words(captions: Iterable[Tagged]) -> dict[str, str]:
    """Words that always have one tag."""
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for caption in captions:
        for word, tag in caption:
            seen[word][tag] += 1
    return {
        word: next(iter(tags))
        for word, tags in sorted(seen.items())
        if len(tags) == 1 and tags.total() >= KNOWN
    }


def examples(captions: Iterable[Tagged], known: dict[str, str]) -> Examples:
    """The other words, as features and tags."""
    ids: dict[str, int] = {}
    rows: list[list[int]] = []
    tags: list[str] = []
    for caption in captions:
        around = [*BEFORE, *(alike(word) for word, _ in caption), *BEHIND]
        before = [*BEFORE, *(tag for _, tag in caption)]
        for i, (word, tag) in enumerate(caption):
            if word not in known:
                found = features(word, around[i : i + 5], before[i + 1], before[i])
                rows.append([ids.setdefault(name, len(ids)) for name in found])
                tags.append(tag)
    found_NK = np.array(rows, dtype=np.int32)
    often = np.bincount(found_NK.ravel(), minlength=len(ids)) >= SEEN
    new = np.where(often, np.cumsum(often), 0).astype(np.int32)
    names = ["", *(name for name, kept in zip(ids, often, strict=True) if kept)]
    kinds, tag_N = np.unique(tags, return_inverse=True)
    return Examples(names, kinds.tolist(), new[found_NK], tag_N)


def learn(given: Examples, start_FT: np.ndarray, kept_FT: np.ndarray, rounds: int) -> np.ndarray:
    """Averaged weights (features, tags), from a start; `kept_FT` is 0 where none may be."""
    now_FT, sums_FT = start_FT.astype(np.float32), np.zeros_like(start_FT, dtype=np.float64)
    draw, step = np.random.default_rng(1), 0
    for _ in range(rounds):
        order = draw.permutation(len(given.tag_N))
        for some in order[: len(order) // TOKENS * TOKENS].reshape(-1, TOKENS):
            step += 1
            found, right = given.found_NK[some], given.tag_N[some]
            sums = now_FT[found].sum(1)
            here = np.arange(len(some))
            own = sums[here, right]
            sums[here, right] = -np.inf
            other = sums.argmax(1)
            low = own - sums[here, other] < MARGIN
            where = found[low]
            for tag, sign in ((right[low], 1), (other[low], -1)):
                change = sign * kept_FT[where, tag[:, None]]
                np.add.at(now_FT, (where, tag[:, None]), change)
                np.add.at(sums_FT, (where, tag[:, None]), step * change)
    return now_FT - sums_FT / (step + 1)


def table_of(captions: Sequence[Tagged]) -> TagTable:
    """The table that is learnt from tagged captions."""
    known = known_words(captions)
    given = examples(captions, known)
    kept = np.ones((len(given.names), len(given.tags)), dtype=np.float32)
    kept[0] = 0
    weights = learn(given, np.zeros_like(kept), kept, ROUNDS)
    kept[np.abs(weights) < LEAST] = 0
    weights = np.rint(learn(given, np.rint(weights * kept), kept, ROUNDS_AFTER)).astype(int)
    return TagTable(
        known=known,
        weights={
            name: {given.tags[t]: int(row[t]) for t in np.flatnonzero(row)}
            for name, row in sorted(
                zip(given.names, weights, strict=True), key=lambda each: each[0]
            )
            if row.any()
        },
    )


def write(table: TagTable, path: Path) -> None:
    """A line for the known words, and one for each feature."""
    lines = [f"{json.dumps(name)}:{_plain(own)}" for name, own in table.weights.items()]
    text = f'{{"known":{_plain(table.known)},\n"weights":{{\n' + ",\n".join(lines) + "\n}}\n"
    path.write_text(text, encoding="utf-8")


def _plain(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def main(pope: str, deco: str, relation: str, table: str) -> None:
    import nltk

    told = json.loads(Path(relation).read_text(encoding="utf-8"))
    nouns = sorted({word for head, others in told.items() for word in [head, *others]})
    captions = captions_of(Path(pope), Path(deco))
    tagged: list[Tagged] = [nltk.pos_tag(nltk.word_tokenize(caption)) for caption in captions]
    tagged += [nltk.pos_tag(words) for words in further(tagged, nouns, 3)]
    write(table_of(tagged), Path(table))


if __name__ == "__main__":
    main(*sys.argv[1:])
