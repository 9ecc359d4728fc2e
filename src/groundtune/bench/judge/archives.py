"""Judges' replies as each benchmark's own code archives them, and as `replies.py` does.

    MMHal-Bench     a list of chat completions by position, or the answers with "gpt4_review"
    HallusionBench  the answers with "gpt4v_output_gpt_check" ("0", "1", "2") and "same"
    LLaVA-Bench     lines with "content" and "tuple"; the older text reviews with "score"
    SHR             judgement.json: run, image, "raw_judgement"
    RefoMB          a list with "review", or (the hallucination score) "review_res"

An archive of HallusionBench holds what was read instead of the reply: it becomes the word that is
read the same way.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from groundtune.bench.judge.replies import Recorded, read_lines
from groundtune.errors import UserError
from groundtune.store.rows import NOT_READ, json_of, why_not_read

Row = Mapping[str, Any]
VERDICTS = {"0": "incorrect", "1": "correct", "2": "unclear"}
SAMENESS = {"0": "different", "1": "same"}


def hallusion_id(row: Row) -> str:
    """The id of a HallusionBench question: category, subcategory, set, figure, question."""
    names = ("category", "subcategory", "set_id", "figure_id", "question_id")
    return "_".join(str(row[name]) for name in names)


def read_replies(path: Path) -> list[Recorded]:
    """The replies of a file, or of all .json and .jsonl files in a folder.

    Raises:
        UserError: no such file, or a layout that isn't known.
    """
    if path.is_dir():
        inside = [p for p in sorted(path.iterdir()) if p.suffix in (".json", ".jsonl")]
        return [recorded for each in inside for recorded in read_replies(each)]
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"The replies can't be read: {error.strerror}.", str(path), "Check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise UserError("The file is not text.", str(path), "Give a UTF-8 file.") from error
    try:
        data: Any = json.loads(text)
    except json.JSONDecodeError:
        return _read_lines(path)
    except NOT_READ as error:
        raise UserError(
            f"The replies can't be read: {why_not_read(error)}.", str(path), "Mend the file."
        ) from error
    if isinstance(data, Mapping):
        return _read_object(cast("Row", data), path)
    if isinstance(data, list):
        return _read_list(cast("list[Any]", data), path)
    raise _unknown(path)


def _read_lines(path: Path) -> list[Recorded]:
    """JSON lines: ours, or LLaVA-Bench's reviews."""
    with path.open(encoding="utf-8") as file:
        first = next((line for line in file if line.strip()), "")
    try:
        row: Any = json.loads(first or "{}")
    except json.JSONDecodeError:
        raise _unknown(path) from None
    if not isinstance(row, Mapping) or "question_id" not in row:
        return list(read_lines(path))
    rows: list[Row] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                rows.append(cast("Row", json_of(line, f"{path}, line {number}")))
    return _made(rows, _review_line, path)


def _read_object(data: Row, path: Path) -> list[Recorded]:
    """One reply alone, or SHR's runs."""
    if "reply" in data:
        return list(read_lines(path))
    if "question_id" in data:
        return _made([data], _review_line, path)
    if data and all(isinstance(run, Mapping) for run in data.values()):
        rows = [
            {"image": image, "repeat": repeat, **judged}
            for repeat, run in enumerate(cast("Iterable[Row]", data.values()))
            for image, judged in run.items()
        ]
        return _made(rows, _shr, path)
    raise _unknown(path)


def _read_list(data: list[Any], path: Path) -> list[Recorded]:
    if not data:
        return []
    readers: tuple[tuple[str, Callable[[int, Row], list[Recorded]]], ...] = (
        ("choices", _completion),
        ("gpt4_review", _mmhal_merged),
        ("review_res", _refomb_hallucination),
        ("review", _refomb),
        ("gpt4v_output_gpt_check", _hallusion),
    )
    for name, reader in readers:
        if isinstance(data[0], Mapping) and name in data[0]:
            return _made(cast("list[Row]", data), reader, path)
    raise _unknown(path)


def _made(
    rows: Iterable[Row], reader: Callable[[int, Row], list[Recorded]], path: Path
) -> list[Recorded]:
    made: list[Recorded] = []
    for number, row in enumerate(rows):
        try:
            made += reader(number, row)
        except (KeyError, IndexError, TypeError, ValidationError) as error:
            raise UserError(
                f"The row is unlike the others of this archive ({type(error).__name__}: {error}).",
                f"{path}, row {number}",
                "Give the file as the benchmark's own code wrote it.",
            ) from error
    return made


def _completion(number: int, row: Row) -> list[Recorded]:
    choice = row["choices"][0]
    return [
        Recorded(
            id=str(number),
            reply=choice["message"]["content"],
            model=row.get("model", ""),
            finish=choice.get("finish_reason") or "",
        )
    ]


def _mmhal_merged(number: int, row: Row) -> list[Recorded]:
    return [Recorded(id=str(number), reply=row["gpt4_review"], answer=row.get("model_answer"))]


def _refomb(number: int, row: Row) -> list[Recorded]:
    swapped = row.get("modelB") == "GPT-4V"
    part = "swapped" if swapped else ""
    return [Recorded(id=str(row.get("image", number)), part=part, reply=row["review"])]


def _refomb_hallucination(number: int, row: Row) -> list[Recorded]:
    # These rows come in the order in which the calls ended: the review alone tells them apart.
    return [Recorded(part="hallucination", reply=row["review_res"], answer=row["review_text"])]


def _hallusion(number: int, row: Row) -> list[Recorded]:
    name, answer = hallusion_id(row), row.get("model_prediction")
    made = [Recorded(id=name, reply=VERDICTS[str(row["gpt4v_output_gpt_check"])], answer=answer)]
    if "same" in row:
        same = SAMENESS[str(row["same"])]
        made.append(Recorded(id=name, part="same", reply=same, answer=answer))
    return made


def _shr(number: int, row: Row) -> list[Recorded]:
    # The two copies of the official script spell the answer's field differently.
    answer = row.get("model_response", row.get("mode_response"))
    reply = row["raw_judgement"]
    return [Recorded(id=row["image"], repeat=row["repeat"], reply=reply, answer=answer)]


def _review_line(number: int, row: Row) -> list[Recorded]:
    reply = row["content"] if "content" in row else row["text"]
    stored = row["tuple"] if "tuple" in row else row.get("score", ())
    model = row.get("reviewer_id", "")
    return [Recorded(id=str(row["question_id"]), reply=reply, stored=tuple(stored), model=model)]


def _unknown(path: Path) -> UserError:
    return UserError(
        "The layout of the judge's replies is not known.",
        str(path),
        'Give JSON lines of {"id": ..., "reply": ...}, or the file that the benchmark\'s own code '
        "wrote.",
    )
