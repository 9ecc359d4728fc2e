"""A run folder with pairs for the tests of training: coloured images, questions, two answers."""

from collections.abc import Callable, Sequence
from io import BytesIO
from itertools import combinations
from pathlib import Path

from PIL import Image
from torch import Tensor

from groundtune.engine.rows import PromptRow
from groundtune.engine.separate import separate
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import ImagePart, Message, Pair, Prompt, Span, TextPart
from groundtune.train.data import TokenPair
from groundtune.vlm.load import Vlm

COLOURS = ("red", "green", "blue", "white", "gray")


def fill_folder(path: Path, count: int = 12) -> RunFolder:
    """Write `count` pairs with the changed word marked; every third prompt has two images."""
    folder = RunFolder(path)
    prompts, pairs = [], []
    for number in range(count):
        images = [
            folder.images.add(image_bytes(COLOURS[(number + shift) % len(COLOURS)]))
            for shift in range(2 if number % 3 == 0 else 1)
        ]
        prompt = ask(f"p{number}", "How many cups are there?" + " Look." * (number % 4), images)
        prompts.append(prompt)
        tail = " on the table" * (number % 3)
        pairs.append(two_answers(f"pair{number}", prompt.key, f"There are two {{}} cups{tail}."))
    folder.prompts.append(prompts)
    folder.pairs.append(pairs)
    return folder


def image_bytes(colour: str, height: int = 16) -> bytes:
    file = BytesIO()
    Image.new("RGB", (20, height), colour).save(file, "PNG")
    return file.getvalue()


def ask(key: str, text: str, images: list[str]) -> Prompt:
    parts = (*(ImagePart(image=image) for image in images), TextPart(text=text))
    return Prompt(key=key, messages=(Message(role="user", content=parts),))


def two_answers(key: str, prompt: str, text: str) -> Pair:
    """A pair of `text` with "green" and with "dark red" for {}, the difference marked."""
    start = text.index("{}")
    return Pair(
        key=key,
        prompt=prompt,
        chosen=text.format("green"),
        rejected=text.format("dark red"),
        chosen_spans=(Span(start=start, end=start + 5, replacement="dark red"),),
        rejected_spans=(Span(start=start, end=start + 8, replacement="green"),),
        origin="correction",
    )


def fill_several(path: Path, prompts: int = 3, answers: int = 4) -> RunFolder:
    """Write `answers` answers per prompt, best first, and a pair of each two of them.

    4 answers make 6 pairs. Each answer's rating is the number of those below it, and the error
    in a rejected answer is marked, with its place among the answers as severity.
    """
    folder = RunFolder(path)
    added, pairs = [], []
    for number in range(prompts):
        image = folder.images.add(image_bytes(COLOURS[number % len(COLOURS)]))
        prompt = ask(f"p{number}", "How many cups are there?" + " Look." * (number % 3), [image])
        added.append(prompt)
        texts = [
            f"There are {'two' + ' red' * n} cups{' on it' * (n % 2)}." for n in range(answers)
        ]
        for better, worse in combinations(range(answers), 2):
            wrong = Span(start=0, end=len(texts[worse]) - 1, severity=float(worse))
            pairs.append(
                Pair(
                    key=f"pair{number}-{better}{worse}",
                    prompt=prompt.key,
                    chosen=texts[better],
                    rejected=texts[worse],
                    rejected_spans=(wrong,),
                    chosen_rating=float(answers - 1 - better),
                    rejected_rating=float(answers - 1 - worse),
                    chosen_severity=float(better),
                    rejected_severity=float(worse),
                    origin="comparison",
                )
            )
    folder.prompts.append(added)
    folder.pairs.append(pairs)
    return folder


def broken_engine(
    pair: TokenPair, value: float
) -> Callable[[Vlm, Sequence[PromptRow]], list[list[Tensor]]]:
    """The separate engine, but the tokens of one pair's rejected answer get log p + `value`."""

    def score(vlm: Vlm, rows: Sequence[PromptRow]) -> list[list[Tensor]]:
        return [
            [
                logp + value if (row.prompt.ids, answer.ids) == wanted else logp
                for logp, answer in zip(scored, row.answers, strict=True)
            ]
            for scored, row in zip(separate(vlm, rows), rows, strict=True)
        ]

    wanted = pair.prompt_ids, pair.rejected.ids
    return score
