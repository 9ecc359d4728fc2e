"""A project's overlap, known results and order of asking."""

from pathlib import Path

import pytest
from sqlalchemy import select

from annotation_items import TEXT, run_of
from groundtune.cli.app import EXIT_INPUT, run
from groundtune.errors import UserError
from groundtune.feedback.corrections import correction_from_texts
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Claim, Comparison, Producer
from groundtune.store.annotations.tables import ITEMS

BY = Producer(kind="person", name="expert")


def rows(project: Project, *columns: str) -> list[tuple[object, ...]]:
    with project.database.reading() as connection:
        query = select(*(ITEMS.c[name] for name in columns)).order_by(ITEMS.c.place)
        return [tuple(row) for row in connection.execute(query)]


def corrected(folder: RunFolder, number: int) -> None:
    answers = folder.answers.read()[:number]
    folder.corrections.append(
        [correction_from_texts(each, each.text.replace("dog", "fox"), BY) for each in answers]
    )


def test_an_overlap_share_of_the_items_is_for_one_person_more(tmp_path: Path):
    run_of(tmp_path / "run", [[f"{TEXT} {n}" for n in range(200)]])
    project = open_project(tmp_path / "farm", {"overlap": 0.2})
    project.add_run(tmp_path / "run")
    wanted = [number for (number,) in rows(project, "wanted")]
    assert set(wanted) == {1, 2}
    assert 20 <= wanted.count(2) <= 60  # 40 by the binomial distribution, 3.5 deviations


def test_known_results_are_asked_like_others_and_never_sent(tmp_path: Path):
    folder = run_of(tmp_path / "run", [[f"{TEXT} {n}" for n in range(6)]])
    corrected(folder, 2)
    project = open_project(tmp_path / "farm", {"gold": 1.0})
    project.join("ada", "Ada", "annotator")
    project.add_run(tmp_path / "run")
    assert project.add_gold(tmp_path / "run") == 2
    assert project.add_gold(tmp_path / "run") == 2  # nobody has had them yet
    work = project.next_work("ada", "correct")
    assert work is not None
    assert work.item.known is not None
    assert [span.replacement for span in work.item.known.spans] == ["fox"]
    assert project.add_gold(tmp_path / "run") == 1
    assert [gold for (gold,) in rows(project, "gold")] == [1, 1, 0, 0, 0, 0]


def test_the_known_side_of_a_comparison_is_the_item_s(tmp_path: Path):
    folder = run_of(tmp_path / "run", [["A dog.", "A cat."]])
    first, second = folder.answers.read()
    row = Comparison(
        key="c",
        prompt=first.prompt,
        first=second.key,
        second=first.key,
        better="first",
        hallucinates_more="second",
        by=BY,
    )
    folder.comparisons.append([row])
    for seed in range(6):  # both orders are drawn
        project = open_project(tmp_path / f"farm{seed}", {"seed": seed, "gold": 1.0})
        project.join("ada", "Ada", "annotator")
        assert project.add_gold(tmp_path / "run", "compare") == 1
        work = project.next_work("ada", "compare")
        # Gold alone is nothing to do: it is mixed into work.
        assert work is not None
        known, sides = work.item.known, [answer.key for answer in work.item.answers]
        assert known is not None
        better = {"first": sides[0], "second": sides[1]}[str(known.better)]
        worse = {"first": sides[0], "second": sides[1]}[str(known.hallucinates_more)]
        assert (better, worse) == (second.key, first.key)


def test_a_run_without_corrections_is_no_gold(tmp_path: Path):
    run_of(tmp_path / "run", [[TEXT]])
    with pytest.raises(UserError, match="no corrections to use as known results"):
        open_project(tmp_path / "farm").add_gold(tmp_path / "run")


def claim_of(answer: str, p_no: float) -> Claim:
    status = "rejected" if p_no > 0.5 else "supported"
    return Claim(
        key=f"c {answer}",
        answer=answer,
        start=0,
        end=5,
        text=f"Claim of {answer}.",
        status=status,
        p_yes=1 - p_no,
        p_no=p_no,
    )


def test_answers_with_doubtful_claims_tend_to_come_first(tmp_path: Path):
    texts = [[f"{TEXT} {n}"] for n in range(60)]
    folder = run_of(tmp_path / "run", texts)
    answers = folder.answers.read()
    folder.claims.append(
        [claim_of(each.key, 0.5 if n % 3 == 0 else 0.01) for n, each in enumerate(answers)]
    )
    project = open_project(tmp_path / "farm", {"order": "uncertain"})
    project.join("ada", "Ada", "annotator")
    project.add_run(tmp_path / "run")
    doubtful = {answer.text for n, answer in enumerate(answers) if n % 3 == 0}
    first: list[str] = []
    for _ in range(15):
        work = project.next_work("ada", "correct", besides=tuple(first))
        assert work is not None
        first.append(work.item.key)
    with project.database.reading() as connection:
        query = select(ITEMS.c.content).where(ITEMS.c.key.in_(first))
        found = [text for (text,) in connection.execute(query)]
    share = sum(any(text in content for text in doubtful) for content in found) / len(found)
    assert share >= 0.8


def test_without_probabilities_the_uncertain_order_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run_of(tmp_path / "run", [[TEXT]])
    command = ["annotate", str(tmp_path / "farm"), "--answers", str(tmp_path / "run")]
    assert run([*command, "--order", "uncertain"]) == EXIT_INPUT
    assert "no claim has its probabilities" in capsys.readouterr().err


def test_items_in_the_random_order_are_mixed_and_none_is_lost(tmp_path: Path):
    run_of(tmp_path / "run", [[f"{TEXT} {n}" for n in range(30)]])
    project = open_project(tmp_path / "farm", {"order": "random"})
    project.add_run(tmp_path / "run")
    with project.database.reading() as connection:
        query = select(ITEMS.c.place).order_by(ITEMS.c.priority)
        order = list(connection.execute(query).scalars())
    assert sorted(order) == list(range(1, 31))
    assert order not in (sorted(order), sorted(order, reverse=True))
