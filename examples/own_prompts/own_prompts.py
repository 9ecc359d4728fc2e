"""A custom prompt source: squares of one colour, of which the whole truth is known.

Then `sample`, `label`, `best-of` and `align` take `squares:20` wherever they take `world:20`.
"""

from io import BytesIO

from PIL import Image

from groundtune.feedback.corrections import correction_from_texts
from groundtune.pipeline.models.prompt_sources import PromptSource
from groundtune.protocols import Statement, Truth
from groundtune.records import ImagePart, Message, Producer, Prompt, Source, TextPart
from groundtune.store.keys import key_of

COLOURS = ("red", "green", "blue")
SIZES = {"learning": 32, "choosing": 40, "reporting": 48}
"""Pixels: no image is in two parts."""
DIVIDER = Producer(kind="rule", name="squares", revision="1")


def prompts(images, count, progress, *, part, seed):
    """One prompt per square; the seed moves the first colour."""
    progress.start("draw squares", total=count)
    made = []
    for i in range(count):
        colour = COLOURS[(i + seed) % len(COLOURS)]
        file = BytesIO()
        Image.new("RGB", (SIZES[part], SIZES[part] + i), colour).save(file, "PNG")
        content = (ImagePart(image=images.add(file.getvalue())), TextPart(text="Which colour?"))
        messages = (Message(role="user", content=content),)
        source = Source(dataset="squares", row=colour)
        made.append(Prompt(key=key_of("squares", messages), messages=messages, source=source))
        progress.advance()
    return made


def truth(prompt, text):
    """The colours that an answer names, compared with the one that is there."""
    named = [colour for colour in COLOURS if colour in text]
    invented = [colour for colour in named if colour != prompt.source.row]
    right = len(named) - len(invented)
    return Truth(bool(invented), mentions=len(named), invented=len(invented), named=right, there=1)


class Person:
    """Corrects every colour that isn't there."""

    def __init__(self, by):
        self.by = by

    def correct(self, prompt, answer):
        """The answer with the colour that is there."""
        text = answer.text
        for colour in COLOURS:
            text = text.replace(colour, prompt.source.row)
        return correction_from_texts(answer, text, self.by)


def annotator(error_rate, seed):
    """A person who makes no mistakes, whatever the error rate."""
    by = Producer(kind="simulated", name="squares-person", revision="1", seed=seed)
    return Person(by), by


class Divider:
    """One claim for each colour that an answer names."""

    def producer(self):
        """The rules."""
        return DIVIDER

    def divide(self, prompts, answers):
        """Each colour's place, with the question whether it is there."""
        return [
            [
                Statement(at, at + len(colour), f"It is {colour}.", question=f"Is it {colour}?")
                for colour in COLOURS
                if (at := answer.text.find(colour)) >= 0
            ]
            for answer in answers
        ]


SQUARES = PromptSource(
    name="squares",
    dataset="squares",
    prompts=prompts,
    dividers={"squares": Divider},
    claim_settings={"divider": "squares"},
    annotator=annotator,
    truth=truth,
)
