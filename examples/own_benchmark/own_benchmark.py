"""A custom benchmark: does an answer count the people in an image correctly?"""

import re

from groundtune.bench.asking import ask_items
from groundtune.bench.benchmark import Benchmark, Protocol, score_key
from groundtune.bench.files.answers import answers_of, plain, rows_of
from groundtune.bench.files.checks import by_id
from groundtune.bench.metric import Metric, unparsed_metric
from groundtune.records import Score

HOW = {"prompt": "How many people are there?", "parser": "the first number", "source": "nobody"}
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
NUMBER = re.compile(rf"\d+|\b({'|'.join(WORDS)})\b", re.IGNORECASE)
COUNTED = {"label": "People", "counted": "right numbers among those read", "max_new_tokens": 16}
RIGHT = {"numerator": {"right": 1}, "denominator": {"scored": 1}, "better": "higher"}


def read_data(paths):
    """{image: number of people} of lines of {"image", "people"}."""
    return {r.fields["image"]: plain(r.fields["people"]) for path in paths for r in rows_of(path)}


def items(data, folder, images):
    """One question per image of a folder."""
    return ask_items([("people", name, name, HOW["prompt"]) for name in data], folder, images)


def score(data, answers, scoring):
    """The first number of each answer, in digits or in words, compared with the true one."""
    scores = []
    for image, answer in zip(data, answers, strict=True):
        number = NUMBER.search(answer.text)
        word = number.group().lower() if number else ""
        count = str(WORDS.index(word)) if word in WORDS else word
        read = {"values": {"right": count == data[image]}} if number else {"status": "unparsed"}
        read |= {"key": score_key(PEOPLE, image, answer.text, scoring), "answer": answer.text}
        scores.append(
            Score(benchmark="people", item=image, image=image, model=scoring.model, **read)
        )
    return scores


PEOPLE = Benchmark(
    name="people",
    protocol=Protocol(**HOW, **COUNTED),
    revision="1",
    metrics=(Metric(name="accuracy", label="Right counts", **RIGHT), unparsed_metric()),
    headline="accuracy",
    read_data=read_data,
    read_answers=lambda path, data: by_id(list(answers_of(path, item=["image"])), list(data), path),
    score=score,
    items=items,
    layouts='lines of {"image", "answer"}',
)
