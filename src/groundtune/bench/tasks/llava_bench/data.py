"""Reader of LLaVA-Bench's files, recognised by their content.

    COCO          qa90_questions.jsonl, qa90_gpt4_answer.jsonl, caps_boxes_coco2014_val_80.jsonl
    in the wild   questions.jsonl, answers_gpt4.jsonl, context.jsonl
    both          rule.json, the judge's task by category

Give the files, or folders that hold them; of several files of answers GPT-4's is the one with
"gpt4" in its name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from groundtune.bench.files.checks import expect_rows, find_files, refuse_duplicates
from groundtune.errors import UserError
from groundtune.store.rows import Row, first_of, json_file, text_field
from groundtune.store.sheets import rows_of

COCO_ROWS = 90
SIZES = {COCO_ROWS: "COCO", 60: "in the wild"}
KINDS = {
    "questions": "the questions",
    "reference": "GPT-4's answers",
    "context": "the descriptions",
    "rules": "rule.json",
}


class LlavaQuestion(NamedTuple):
    """A question, GPT-4's answer, and the context for the judge."""

    item: str
    image: str
    category: str
    text: str
    reference: str
    captions: str
    boxes: str
    """Empty in the wild."""
    role: str
    rule: str


@dataclass(frozen=True, slots=True)
class LlavaData:
    """The questions of one of the two sets."""

    questions: tuple[LlavaQuestion, ...]
    name: str

    @property
    def is_coco(self) -> bool:
        """Whether it is the set of 90."""
        return len(self.questions) == COCO_ROWS


def read_data(paths: Sequence[Path]) -> LlavaData:
    """Reads either set.

    Raises:
        UserError: a file is missing or there twice, not 90 or 60 questions, answers in another
            order, or an image without a description.
    """
    found = _by_kind(find_files(paths, "*.jsonl", "rule*.json"))
    asked, reference = list(rows_of(found["questions"])), list(rows_of(found["reference"]))
    name = expect_rows(len(asked), SIZES, found["questions"])
    expect_rows(len(reference), {len(asked): "one a question"}, found["reference"])
    described = [(first_of(row.fields, ("image",)), row) for row in rows_of(found["context"])]
    refuse_duplicates((name or "" for name, _ in described), found["context"], "image")
    context = dict(described)
    rules = _rules(found["rules"])
    questions = tuple(
        _question(found, *rows, context, rules, is_coco=len(asked) == COCO_ROWS)
        for rows in zip(asked, reference, strict=True)
    )
    refuse_duplicates((q.item for q in questions), found["questions"], "question_id")
    return LlavaData(questions, name)


def _by_kind(found: Sequence[Path]) -> dict[str, Path]:
    kinds: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for path in found:
        if kind := _kind(path):
            kinds[kind].append(path)
    named = [path for path in kinds["reference"] if "gpt4" in path.name.lower()]
    kinds["reference"] = named or kinds["reference"]
    for kind, those in kinds.items():
        if len(those) != 1:
            raise UserError(
                f"{len(those) or 'No'} files may be {KINDS[kind]}.",
                ", ".join(str(path) for path in those) or "--data",
                f"Give one file each: {', '.join(KINDS.values())}.",
            )
    return {kind: those[0] for kind, those in kinds.items()}


def _kind(path: Path) -> str:
    if path.suffix == ".json":
        return "rules" if path.name.startswith("rule") else ""
    row = next(rows_of(path), None)
    if row is None:
        return ""
    if "image" in row.fields and ("caption" in row.fields or "captions" in row.fields):
        return "context"
    if "question_id" not in row.fields or "text" not in row.fields:
        return ""
    return "questions" if "image" in row.fields else "reference"


def _rules(path: Path) -> Mapping[str, Any]:
    rules = json_file(path, "Give rule.json.")
    if not isinstance(rules, dict):
        raise UserError("The rules are no JSON object.", str(path), "Give rule.json.")
    return cast("Mapping[str, Any]", rules)


def _question(
    found: Mapping[str, Path],
    row: Row,
    reference: Row,
    context: Mapping[str | None, Row],
    rules: Mapping[str, Any],
    *,
    is_coco: bool,
) -> LlavaQuestion:
    item = first_of(row.fields, ("question_id",)) or ""
    if first_of(reference.fields, ("question_id",)) != item:
        raise UserError(
            f"GPT-4's answer is not to question {item}.",
            reference.where,
            "Give the file as it was published.",
        )
    image, category = text_field(row, "image"), text_field(row, "category")
    if image not in context:
        raise UserError(
            f"There is no description of {image}.", str(found["context"]), "Give all of them."
        )
    rule = rules.get(category if is_coco else f"llava_bench_{category}")
    if not isinstance(rule, dict):
        raise UserError(
            f"There is no rule for the category {category!r}.", str(found["rules"]), "Give all."
        )
    told = cast("Mapping[str, Any]", rule)
    fields = context[image].fields
    return LlavaQuestion(
        item=item,
        image=image,
        category=category,
        text=text_field(row, "text"),
        reference=text_field(reference, "text"),
        captions=_lines(fields.get("captions", fields.get("caption"))),
        boxes=_boxes(fields.get("instances")),
        role=str(told.get("role", "Assistant")),
        rule=str(told.get("prompt", "")),
    )


def _lines(captions: object) -> str:
    if isinstance(captions, list):
        return "\n".join(str(each) for each in cast("list[object]", captions))
    return str(captions)


def _boxes(instances: object) -> str:
    """A line an object: what it is, and its box as fractions of width and height."""
    if not isinstance(instances, list):
        return ""
    listed = cast("list[Mapping[str, Any]]", instances)
    return "\n".join(f"{each['category']}: {each['bbox']}" for each in listed)
