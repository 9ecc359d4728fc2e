"""Object HalBench: which objects of an answer are not in the image; a judge lists them first.

Yu et al. 2023 (RLHF-V, arXiv 2312.00849) and 2024 (RLAIF-V, 2405.17220), after CHAIR. 300 images
of COCO, each with a request to describe it; truth as in CHAIR, from a cleaned list of synonyms.

    response_hall = answers that name an object that isn't there / answers that name any object
    mention_hall  = objects named that aren't there / objects named, each once an answer
    recall        = distinct classes named that are there / classes there

Data: COCO's instances_*.json and captions_*.json (or chair.pkl) and synonyms_refine.txt. Answers:
rows of {image_id, question, answer}, as the official scripts write them; "prompt" and "text" stand
for the latter two, and CHAIR's layouts are read too.

A judge replies with a JSON list of an answer's objects (recorded replies, an endpoint). Without
one they are read by rules, the words of the answer that the list of synonyms has, as the official
script does without --use_gpt: each as often as it is said. `why` and a note name the extraction.

Mode official is eval/eval_gpt_obj_halbench.py at 8daac8a (RLHF-V; RLAIF-V's copy also insists on
300 images): answers of three words or fewer name nothing; a list must be JSON, or the last line
must be, so that "()" (which its prompt asks for) and fenced blocks can't be read. There it asks
again, up to 100 times, and then stops; here the answer is unparsed and in no figure. Mode strict
takes any JSON list in the reply and "()", believes short answers too, and counts no object twice.

One step is replaced: spaCy's en_core_web_trf splits each listed object into base forms and nouns.
Here the base forms are WordNet's, and what stands between words of the list of `NO_NOUNS`, colours
and participles is a run of nouns. The two differ where an adjective that is not on that list stands
before a noun ("rusty car" is then no car) and in base forms such as "glasses".
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from groundtune.bench.benchmark import Benchmark, Protocol, Scoring, score_key
from groundtune.bench.files.checks import find_files
from groundtune.bench.item import ItemAnswer
from groundtune.bench.judge.judge import JudgeReply, Judging, Request, as_judging
from groundtune.bench.judge.prompts import PromptKind, ScriptPrompt, judge_prompt
from groundtune.bench.judge.scores import over_repeats
from groundtune.bench.metric import Metric, unparsed_metric
from groundtune.bench.tasks.chair import chair
from groundtune.bench.tasks.chair.data import ChairData, read_lines, refuse_unlisted
from groundtune.bench.tasks.chair.tally import note_on_several
from groundtune.bench.text.coco import read_images
from groundtune.bench.text.coco_words import CocoWords, read_list
from groundtune.bench.text.tokens import tokens
from groundtune.errors import UserError
from groundtune.records import Score

IMAGES = 300
SHORT = 3
"""Words of an answer that names nothing, to the official script."""
PROMPT = PromptKind(
    name="object_halbench",
    fields=("question", "answer"),
    script=ScriptPrompt(variable="prompt_template"),
)
PROTOCOL = Protocol(
    label="Object HalBench",
    prompt="one of eight requests to describe the image",
    parser="a judge's JSON list, or words of the answer; nouns, pairs, COCO's synonyms (cleaned)",
    counted="answers that name no object of COCO's are in no rate; by a judge, each object once",
    source="Yu et al. 2023, arXiv 2312.00849",
    max_new_tokens=512,
    judge="lists the objects of an answer",
    items="300 images of COCO",
)
_NO_NOUNS = (
    "a an the this that these those some any several many few other another each every both all no"
    " one two three four five six seven eight nine ten of in on at by with and or to from for near"
    " under over behind beside between next his her its their my your our big small large little"
    " tall short long old young new wooden metal metallic plastic black white red green blue yellow"
    " orange brown gray grey pink purple silver golden dark light bright colorful colourful various"
    " different multiple empty open closed round square dirty clean wet dry fresh ripe male female"
)
NO_NOUNS = frozenset(_NO_NOUNS.split()) - {"orange", "light", "male", "female", "metal", "plastic"}
"""Words that end a run of nouns; participles do too."""
_PARTICIPLE = re.compile(r"[a-z]{3,}ed")
_LIST = re.compile(r"\[[^\[\]]*\]")


@dataclass(frozen=True, slots=True)
class NamedObjects:
    """The objects that an answer names, as words of the list of synonyms, or why not."""

    words: tuple[str, ...] = ()
    why: str = ""
    """Why the objects are unknown."""


def read_data(paths: Sequence[Path]) -> ChairData:
    """Read annotations and the cleaned list of synonyms.

    Raises:
        UserError: one of them is missing or unreadable, or a category is not in the list.
    """
    files = find_files(
        paths, "instances_*.json", "captions_*.json", "chair.pkl", "synonyms_refine*.txt"
    )
    lists = [path for path in files if path.suffix == ".txt"]
    if len(lists) != 1:
        raise UserError(
            f"{len(lists)} synonym lists were given; Object HalBench has one.",
            ", ".join(map(str, lists)) or "--data",
            "Give eval/data/synonyms_refine.txt of RLHF-V/RLHF-V with --data.",
        )
    lines = read_lines(lists[0])
    words = read_list(lines, strict=False, kind="refine")
    data = ChairData(
        images=read_images(path for path in files if path.suffix != ".txt"),
        official=words,
        strict=words,
    )
    refuse_unlisted(data.images, words, lists[0])
    return data


def read_answers(path: Path, data: ChairData) -> list[ItemAnswer]:
    """Answers with the number of their image as `item`, without the prefix "Assistant:".

    Raises:
        UserError: as `chair.read_answers`.
    """
    return [
        ItemAnswer(
            text=answer.text.replace("Assistant:", "").strip(),
            item=answer.item,
            row=answer.row,
            extra=answer.extra,
        )
        for answer in chair.read_answers(path, data)
    ]


def read_reply(text: str, *, strict: bool) -> list[str] | None:
    """The objects that a judge lists; None if they can't be read.

    Official: the whole reply, or its last line if it has '["', is JSON. The script iterates over
    any value: a text by letters, an object by keys; at null or a number it stops.
    """
    candidates = [text]
    if strict:
        candidates += [match[0] for match in reversed(list(_LIST.finditer(text)))]
    elif '["' in text:
        candidates.append(text.strip().split("\n")[-1])
    for candidate in candidates:
        try:
            value: object = json.loads(candidate)
        except json.JSONDecodeError:
            continue
        if isinstance(value, list):
            return [str(item) for item in cast("list[object]", value)]
        if not strict:
            return _items_of_loop(value)
    return [] if strict and text.strip() in ("()", "[]", "") else None


def _items_of_loop(value: object) -> list[str] | None:
    """The items of a loop over a JSON value that is not a list; None if there are none."""
    if isinstance(value, str):
        return list(value)
    return list(cast("dict[str, object]", value)) if isinstance(value, dict) else None


def nouns_of(object_text: str, words: CocoWords) -> list[str]:
    """A listed object as words: the pairs in it, otherwise its runs of nouns, in base forms."""
    object_tokens = tokens(f"a {object_text}".lower())
    bases = [words.forms.get(token, token) for token in object_tokens]
    pairs, i = list[str](), 0
    while i < len(bases):
        pair = words.pairs.get(" ".join(bases[i : i + 2]))
        pairs += [pair] if pair is not None else []
        i += 2 if pair is not None else 1
    return pairs or _runs(object_tokens, bases, words)


def _runs(words_: Sequence[str], bases: Sequence[str], words: CocoWords) -> list[str]:
    runs: list[list[str]] = [[]]
    for token, base in zip(words_, bases, strict=True):
        is_noun = base in words.nodes or not (
            token in NO_NOUNS or _PARTICIPLE.fullmatch(token) or not token[0].isalpha()
        )
        if is_noun:
            runs[-1].append(base)
        else:
            runs.append([])
    return [" ".join(run) for run in runs if run]


def by_judge(answer: str, reply: JudgeReply, words: CocoWords, *, strict: bool) -> NamedObjects:
    """The distinct objects that a judge's reply lists."""
    if not strict and len(answer.split()) <= SHORT:
        return NamedObjects()
    if reply.status != "given":
        return NamedObjects(why=reply.why or "the judge gave no reply")
    objects = read_reply(reply.text, strict=strict)
    if objects is None:
        return NamedObjects(why=f"no list can be read in the reply: {reply.text[:60]}")
    nouns = dict.fromkeys(noun for object_text in objects for noun in nouns_of(object_text, words))
    if "toilet" in nouns:
        nouns.pop("seat", None)
    return NamedObjects(tuple(noun for noun in nouns if noun in words.nodes))


def by_rules(answer: str, words: CocoWords, *, strict: bool) -> NamedObjects:
    """The objects among an answer's words; in mode strict, without repetitions."""
    words_ = [mention.word for mention in words.mentions(tokens(answer.lower()))]
    return NamedObjects(tuple(dict.fromkeys(words_)) if strict else tuple(words_))


def requests(answers: Sequence[ItemAnswer], judging: Judging) -> list[Request]:
    """The requests to a judge, one per answer."""
    prompt = judge_prompt(PROMPT, judging)
    return [
        Request(
            item=answer.item,
            system=prompt.system,
            text=prompt.fill(question=_question(answer), answer=answer.text),
            answer=answer.text,
        )
        for answer in answers
    ]


def _question(answer: ItemAnswer) -> str:
    candidates = (answer.extra.get(name, "") for name in ("prompt", "question", "raw_question"))
    return next((text for text in candidates if text), chair.INSTRUCTION)


def score(data: ChairData, answers: Sequence[ItemAnswer], scoring: Scoring) -> list[Score]:
    """Compare the objects that each answer names, found by a judge or rules, with its image."""
    strict, words = scoring.mode == "strict", data.official
    if scoring.judge is None:
        objects = [by_rules(answer.text, words, strict=strict) for answer in answers]
        return _scores(data, answers, objects, Extraction("rules", scoring))
    judging = as_judging(scoring.judge, OBJECT_HALBENCH.name)
    requests_ = requests(answers, judging)

    def once(repeat: int) -> list[Score]:
        replies = judging.ask(requests_, repeat=repeat)
        objects = [
            by_judge(answer.text, replies.get(answer.item), words, strict=strict)
            for answer in answers
        ]
        return _scores(data, answers, objects, Extraction("a judge", scoring))

    return over_repeats(judging, once, "invented")


class Extraction(NamedTuple):
    """Who extracted the objects, and how they are scored."""

    by: str
    scoring: Scoring


def _scores(
    data: ChairData,
    answers: Sequence[ItemAnswer],
    named_objects: Sequence[NamedObjects],
    extraction: Extraction,
) -> list[Score]:
    return [
        _score(data, answer, objects, extraction)
        for answer, objects in zip(answers, named_objects, strict=True)
    ]


def _score(
    data: ChairData, answer: ItemAnswer, objects: NamedObjects, extraction: Extraction
) -> Score:
    true_classes = data.truth(chair.image_of(answer), strict=False)
    nodes = [data.official.nodes[word] for word in objects.words]
    wrong = [w for w, node in zip(objects.words, nodes, strict=True) if node not in true_classes]
    empty = extraction.scoring.mode == "strict" and not re.search(r"\w", answer.text)
    why = objects.why or ("the answer has no words" if empty else "")
    blank = Score(
        key=score_key(OBJECT_HALBENCH, answer.item, answer.text, extraction.scoring),
        benchmark=OBJECT_HALBENCH.name,
        item=answer.item,
        image=str(chair.image_of(answer)),
        model=extraction.scoring.model,
        answer=answer.text,
        why=why,
        status="unparsed" if why else "scored",
    )
    if why:
        return blank
    values = {
        "invented": bool(wrong),
        "names_objects": bool(nodes),
        "invented_mentions": len(wrong),
        "mentions": len(nodes),
        "classes": len(set(nodes) & true_classes),
        "truth_classes": len(true_classes),
        "length": len(answer.text.strip().split(" ")),
    }
    explanation = f"not there, by {extraction.by}: {', '.join(wrong)}" if wrong else ""
    return blank.model_copy(
        update={
            "values": {name: float(value) for name, value in values.items()},
            "extracted": tuple(nodes),
            "why": explanation,
        }
    )


def notes(data: ChairData, answers: Sequence[ItemAnswer], scores: Sequence[Score]) -> list[str]:
    """Notes on whether the images can be the published 300, and on the extraction of nouns."""
    sentences = [
        "Nouns of listed objects are found by rules, where the official script uses spaCy's "
        "en_core_web_trf; without a judge, objects are the answer's words in the synonym list."
    ]
    captions = Counter(score.image for score in scores)
    if len(captions) != IMAGES:
        sentences.append(f"{len(captions):,} images are answered; the benchmark has {IMAGES}.")
    return sentences + note_on_several(captions)


def _rate(name: str, label: str, part: str, whole: str, *, better: str = "lower") -> Metric:
    return Metric(
        name=name,
        label=label,
        numerator={part: 1},
        denominator={whole: 1},
        better="lower" if better == "lower" else "higher",
        role="quality" if better == "lower" else "cost",
    )


METRICS: tuple[Metric, ...] = (
    _rate(
        "response_hall",
        "Answers with an object that isn't there, of those that name any",
        "invented",
        "names_objects",
    ),
    _rate("mention_hall", "Objects named that aren't there", "invented_mentions", "mentions"),
    _rate("response_hall_all", "Answers with an object that isn't there", "invented", "scored"),
    _rate(
        "recall",
        "Classes in the image that are named",
        "classes",
        "truth_classes",
        better="higher",
    ),
    Metric(
        name="length",
        label="Words per answer",
        numerator={"length": 1},
        denominator={"scored": 1},
        role="cost",
        unit="words",
        scale=1,
        range=(0, None),
        explanation="Split at single spaces, as in the official script.",
    ),
    unparsed_metric(),
)

OBJECT_HALBENCH: Benchmark[ChairData] = Benchmark(
    name="object_halbench",
    protocol=PROTOCOL,
    revision="RLHF-V/RLHF-V at 8daac8a, eval/eval_gpt_obj_halbench.py",
    metrics=METRICS,
    headline="response_hall",
    read_data=read_data,
    read_answers=read_answers,
    score=score,
    layouts='JSON lines of {"image_id", "question", "answer"}',
    notes=notes,
)
