"""The reader of texts: by rules alone, on sentences that no template wrote."""

import inspect

import pytest

import groundtune.world.read as reader
from groundtune.world.read import Mention, place_of, read


def told(mention: Mention) -> str:
    """A mention in short: "2 red cup @3", "-" before what is denied, "the" for what was known."""
    number = "the" if mention.definite else "?" if mention.number is None else str(mention.number)
    words = [number, *([mention.colour_mark.value] if mention.colour_mark else [])]
    words += [mention.category, *([f"@{mention.cell}"] if mention.place_mark else [])]
    return ("-" if mention.negated else "") + " ".join(words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # names, plurals, synonyms
        ("A dog chases two cats.", ["1 dog", "2 cat"]),
        ("Three people wait.", ["3 person"]),
        ("Two men and a woman talk.", ["2 person", "1 person"]),
        ("A bike leans on a lorry.", ["1 bicycle", "1 truck"]),
        ("Two mugs and a purse.", ["2 cup", "1 handbag"]),
        ("There are mice and sheep.", ["? mouse", "? sheep"]),
        ("A pair of scissors, two pairs of skis.", ["1 scissors", "2 skis"]),
        ("I see a head of broccoli.", ["1 broccoli"]),
        ("Four knives, five wine glasses.", ["4 knife", "5 wine glass"]),
        ("He has an aeroplane and a mobile phone.", ["1 airplane", "1 cell phone"]),
        ("A DOG. A Cat.", ["1 dog", "1 cat"]),
        # names inside longer names, as CHAIR's double words
        ("A hot dog.", ["1 hot dog"]),
        ("A hot dog and a dog.", ["1 hot dog", "1 dog"]),
        ("Two hot dogs.", ["2 hot dog"]),
        ("A teddy bear beside a bear.", ["1 teddy bear", "1 bear"]),
        ("This is a train station.", []),
        ("A train waits in a train station.", ["1 train"]),
        ("Two trains at the train station.", ["2 train"]),
        ("A wine glass.", ["1 wine glass"]),
        ("A computer mouse and a keyboard.", ["1 mouse", "1 keyboard"]),
        ("A potted plant, a sports ball.", ["1 potted plant", "1 sports ball"]),
        # words that only contain a name
        ("The carpet, the category, cups' catalogue.", ["? cup"]),
        ("A busy scarf; someone is bored.", []),
        ("Cupboards and bookshelves, bedding, birdsong.", []),
        # the fruit and the colour
        ("An orange.", ["1 orange"]),
        ("Two oranges and an orange cup.", ["2 orange", "1 orange cup"]),
        ("An orange book.", ["1 orange book"]),
        ("Under an orange sky.", []),
        ("A red apple and an orange.", ["1 red apple", "1 orange"]),
        ("The cup is orange.", ["the cup"]),
        # colours and numbers
        ("Two red cups and a blue umbrella.", ["2 red cup", "1 blue umbrella"]),
        ("Exactly two green buses.", ["2 green bus"]),
        ("Another dog.", ["1 dog"]),
        ("A gray couch.", ["1 grey couch"]),
        # denials
        ("No, there is no dog.", ["-0 dog"]),
        ("There are no cats.", ["-0 cat"]),
        ("There is not a single cup.", ["-? cup"]),
        ("I can't see a dog.", ["-1 dog"]),
        ("A dog without a frisbee.", ["1 dog", "-1 frisbee"]),
        ("There isn't a cat. There is a dog.", ["-1 cat", "1 dog"]),
        ("Yes, there is a dog.", ["1 dog"]),
        ("There is no dog but a cat.", ["-0 dog", "1 cat"]),
        ("Neither a cup nor a bowl is there.", ["-1 cup", "-1 bowl"]),
        ("Do not miss the dog and a cat.", ["the dog", "1 cat"]),
        ("Don't overlook two cups.", ["2 cup"]),
        ("Not only a dog is here.", ["1 dog"]),
        # places
        ("The dog is on the left.", ["the dog @3"]),
        ("A cup in the upper left corner.", ["1 cup @0"]),
        ("A cup in the bottom-right corner.", ["1 cup @8"]),
        ("A kite at the top and a boat at the bottom.", ["1 kite @1", "1 boat @7"]),
        ("In the middle stands the horse.", ["the horse @4"]),
        ("On the right side is a bird.", ["1 bird @5"]),
        ("A clock in the top right, a vase in the lower left.", ["1 clock @2", "1 vase @6"]),
        ("Look at the top for the kite.", ["the kite @1"]),
        ("There is a cup.", ["1 cup"]),
        ("", []),
    ],
)
def test_reads_a_sentence_as_a_person_does(text: str, expected: list[str]) -> None:
    assert [told(mention) for mention in read(text).mentions] == expected


@pytest.mark.parametrize(
    ("text", "context", "background"),
    [
        ("A kitchen with a yellow wall.", "kitchen", "yellow"),
        ("We are at the train station under a grey sky.", "train station", "grey"),
        ("The sky is blue over the harbour.", "harbor", "blue"),
        ("An office. The wall looks white.", "office", "white"),
        ("A ski slope; the sky is gray.", "ski slope", "grey"),
        ("Two cups.", None, None),
    ],
)
def test_reads_the_place_and_its_background(
    text: str, context: str | None, background: str | None
) -> None:
    reading = read(text)
    assert (reading.context.value if reading.context else None) == context
    assert (reading.background.value if reading.background else None) == background


def test_marks_are_the_words_themselves() -> None:
    text = "There are two red cups on the left."
    mention = read(text).mentions[0]
    assert text[mention.start : mention.end] == "two red cups"
    marks = [mention.number_mark, mention.colour_mark, mention.place_mark]
    assert [text[mark.start : mark.end] for mark in marks if mark] == ["two", "red", "on the left"]
    assert mention.noun == "cups"


def test_what_is_denied_is_not_asserted() -> None:
    reading = read("There is a dog and no cat.")
    assert [mention.category for mention in reading.mentions] == ["dog", "cat"]
    assert [mention.category for mention in reading.asserted_mentions] == ["dog"]


def test_the_reader_is_given_the_text_alone() -> None:
    assert list(inspect.signature(read).parameters) == ["text"]
    seen = {
        name for name in vars(reader) if name in ("Scene", "VOICES", "HELD_OUT_VOICE", "scenes")
    }
    assert seen == set()


@pytest.mark.parametrize(
    ("answer", "cell"),
    [
        ("On the left.", 3),
        ("In the top left corner.", 0),
        ("The dog is at the bottom.", 7),
        ("in the middle", 4),
        ("In the lower right.", 8),
        ("It is in the bottom right corner.", 8),
        ("Two.", None),
        ("", None),
    ],
)
def test_a_short_answer_names_a_place(answer: str, cell: int | None) -> None:
    assert place_of(answer) == cell
