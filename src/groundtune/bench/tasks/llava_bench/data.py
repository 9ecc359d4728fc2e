"""Reader of LLaVA-Bench's files, recognised by their content.

    COCO          qa90_questions.jsonl, qa90_gpt4_answer.jsonl, caps_boxes_coco2014_val_80.jsonl
    in the wild   questions.jsonl, answers_gpt4.jsonl, context.jsonl
    both          rule.json, the judge's task by category

Give the files or their folders; of several files of answers, GPT-4's has "gpt4" in its name.
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
    """Read either set.

    Raises:
        UserError: a file is missing or repeated, there are not 90 or 60 questions, answers are in
            another order, or an image has no description.
    """
    files = _by_kind(find_files(paths, "*.jsonl", "rule*.json"))
    question_rows, reference = list(rows_of(files["questions"])), list(rows_of(files["reference"]))
    name = expect_rows(len(question_rows), SIZES, files["questions"])
    expect_rows(len(reference), {len(question_rows): "one a question"}, files["reference"])
    contexts = [(first_of(row.fields, ("image",)), row) for row in rows_of(files["context"])]
    refuse_duplicates((name or "" for name, _ in contexts), files["context"], "image")
    context = dict(contexts)
    rules = _rules(files["rules"])
    questions = tuple(
        _question(files, *rows, context, rules, is_coco=len(question_rows) == COCO_ROWS)
        for rows in zip(question_rows, reference, strict=True)
    )
    refuse_duplicates((q.item for q in questions), files["questions"], "question_id")
    return LlavaData(questions, name)


def _by_kind(paths: Sequence[Path]) -> dict[str, Path]:
    kinds: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for path in paths:
        if kind := _kind(path):
            kinds[kind].append(path)
    gpt4_files = [path for path in kinds["reference"] if "gpt4" in path.name.lower()]
    kinds["reference"] = gpt4_files or kinds["reference"]
    for kind, files in kinds.items():
        if len(files) != 1:
            raise UserError(
                f"{len(files) or 'No'} files may be {KINDS[kind]}.",
                ", ".join(str(path) for path in files) or "--data",
                f"Give one file each: {', '.join(KINDS.values())}.",
            )
    return {kind: files[0] for kind, files in kinds.items()}


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
    files: Mapping[str, Path],
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
            f"There is no description of {image}.", str(files["context"]), "Give all of them."
        )
    rule = rules.get(category if is_coco else f"llava_bench_{category}")
    if not isinstance(rule, dict):
        raise UserError(
            f"There is no rule for the category {category!r}.",
            str(files["rules"]),
            "Give the rules of all categories.",
        )
    rule_fields = cast("Mapping[str, Any]", rule)
    fields = context[image].fields
    return LlavaQuestion(
        item=item,
        image=image,
        category=category,
        text=text_field(row, "text"),
        reference=text_field(reference, "text"),
        captions=_lines(fields.get("captions", fields.get("caption"))),
        boxes=_boxes(fields.get("instances")),
        role=str(rule_fields.get("role", "Assistant")),
        rule=str(rule_fields.get("prompt", "")),
    )


def _lines(captions: object) -> str:
    if isinstance(captions, list):
        return "\n".join(str(line) for line in cast("list[object]", captions))
    return str(captions)


def _boxes(instances: object) -> str:
    """One line per object: its category, and its box as fractions of width and height."""
    if not isinstance(instances, list):
        return ""
    objects = cast("list[Mapping[str, Any]]", instances)
    return "\n".join(f"{entry['category']}: {entry['bbox']}" for entry in objects)
