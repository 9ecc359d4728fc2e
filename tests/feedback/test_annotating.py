"""What follows from a person's events on an item."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation_items import TEXT, event, item_of, marked, submit, undo
from groundtune.feedback.annotating import (
    RefusedEvent,
    check_event,
    comparison_of,
    correction_of,
    replay,
)
from groundtune.feedback.corrections import check_correction
from groundtune.records import Missing, Producer
from groundtune.store.annotations.records import (
    AnnotationItem,
    Choose,
    Decide,
    DropSpan,
    Event,
    PutMissing,
    PutSpan,
    Redo,
    SetNote,
    SetVerdict,
    Skip,
)

ADA = Producer(kind="person", name="ada")
ITEM = item_of("item-1")


def accepted(item: AnnotationItem, *bodies: object) -> list[Event]:
    """Events that were checked one by one, as the server does."""
    events: list[Event] = []
    for body in bodies:
        new = body if isinstance(body, Event) else event(item.key, body)
        check_event(item, events, new)
        events.append(new)
    return events


def test_the_corrected_text_follows_from_the_spans():
    events = accepted(
        ITEM,
        marked("red", "green", kind="attribute", label="colour", severity=2),
        marked("two ", "", kind="number"),
        marked("dog", "fox"),
        submit("item-1"),
    )
    made = correction_of(ITEM, replay(events), ADA)
    assert made is not None
    assert made.corrected == "A fox and cats sit on a green sofa."
    assert (made.verdict, made.seconds, made.marks) == ("wrong", 2.5, ())
    assert [(s.kind, s.label, s.severity) for s in made.spans][-1] == ("attribute", "colour", 2)
    check_correction(made)


def test_a_mark_without_a_replacement_changes_no_text():
    events = accepted(ITEM, marked("dog"), marked("red", "blue"), submit("item-1"))
    made = correction_of(ITEM, replay(events), ADA)
    assert made is not None
    assert made.corrected == TEXT.replace("red", "blue")
    assert [made.text[s.start : s.end] for s in made.wrong] == ["dog", "red"]


def test_an_answer_with_nothing_wrong_is_finished_too():
    made = correction_of(ITEM, replay(accepted(ITEM, submit("item-1"))), ADA)
    assert made is not None
    assert (made.verdict, made.corrected) == ("nothing_wrong", TEXT)


def test_unfinished_and_skipped_work_is_no_correction():
    assert correction_of(ITEM, replay(accepted(ITEM, marked("dog", "cat"))), ADA) is None
    skipped = accepted(ITEM, marked("dog", "cat"), Skip(reason="blurred"))
    assert correction_of(ITEM, replay(skipped), ADA) is None


def test_a_change_after_the_end_opens_the_item_again():
    state = replay(accepted(ITEM, submit("item-1"), marked("dog", "cat")))
    assert state.progress == "open"


def test_undo_takes_one_change_back_and_redo_restores_it():
    first = event("item-1", marked("dog", "cat"))
    second = event("item-1", marked("dog", "fox"))
    back = undo(second)
    events = accepted(ITEM, first, second, back)
    assert [each.replacement for each in replay(events).spans] == ["cat"]
    events += [redo := event("item-1", Redo(event=second.id))]
    check_event(ITEM, events[:-1], redo)
    assert [each.replacement for each in replay(events).spans] == ["fox"]
    assert len(events) == 4  # nothing was removed


def test_notes_verdicts_and_missing_facts_are_part_of_the_correction():
    events = accepted(
        ITEM,
        PutMissing(id="missing-1", missing=Missing(note="a lamp")),
        PutMissing(id="missing-2", missing=Missing(note="a cat")),
        PutMissing(id="missing-1", missing=Missing(note="a lamp on the left")),
        SetVerdict(verdict="unsure"),
        SetNote(note="dark image"),
        submit("item-1"),
    )
    made = correction_of(ITEM, replay(events), ADA)
    assert made is not None
    assert [each.note for each in made.missing] == ["a lamp on the left", "a cat"]
    assert (made.verdict, made.note) == ("unsure", "dark image")


def test_a_choice_between_two_answers_has_marks_on_both_sides():
    one = item_of("item-2", "A dog.")
    other = one.answers[0].model_copy(update={"text": "A cat.", "key": "other"})
    item = one.model_copy(update={"task": "compare", "answers": (one.answers[0], other)})
    events = accepted(
        item,
        marked("cat", text="A cat.", answer=1),
        marked("dog", text="A dog.", id="span-first"),
        Choose(question="hallucinates_more", side="second"),
        Choose(question="better", side="first"),
        submit("item-2"),
    )
    made = comparison_of(item, replay(events), ADA)
    assert made is not None
    assert (made.better, made.hallucinates_more) == ("first", "second")
    assert [len(made.first_spans), len(made.second_spans)] == [1, 1]
    with pytest.raises(RefusedEvent, match="No answer is chosen"):
        accepted(item, submit("item-2"))


REFUSED = [
    (PutSpan(id="span-0001", start=2, end=5, text="cat"), "not the marked text"),
    (PutSpan(id="span-0001", start=30, end=90, text="x"), "leaves the answer"),
    (PutSpan(id="span-0001", start=5, end=2, text=""), "leaves the answer"),
    (PutSpan(id="span-0001", start=2, end=2, text=""), "insertion has no text"),
    (PutSpan(id="span-0001", answer=1, start=0, end=1, text="A"), "no answer 2"),
    (marked("dog and", "x", id="span-over"), "overlap"),
    (Choose(question="better", side="first"), "two answers"),
    (Decide(place=0, accepted=True), "no suggestion 1"),
    (PutMissing(id="missing-1", missing=Missing(facts=(0,))), "a fact that"),
]


@pytest.mark.parametrize(("body", "why"), REFUSED)
def test_an_event_that_does_not_fit_is_refused(body: object, why: str):
    with pytest.raises(RefusedEvent, match=why):
        accepted(ITEM, marked("and two", "x"), body)


def test_only_changes_that_were_made_can_be_undone_and_redone():
    done = event("item-1", marked("dog", "cat"))
    for body in (undo(event("item-1", marked("dog"))), event("item-1", Redo(event=done.id))):
        with pytest.raises(RefusedEvent):
            accepted(ITEM, done, body)


def test_a_verdict_that_contradicts_the_marks_is_refused_at_the_end():
    with pytest.raises(RefusedEvent, match="nothing is wrong"):
        accepted(ITEM, marked("dog"), SetVerdict(verdict="nothing_wrong"), submit("item-1"))
    events = accepted(
        ITEM, marked("dog"), SetVerdict(verdict="nothing_wrong"), DropSpan(id="span-0002")
    )
    assert replay(events).spans == ()


PIECES = st.sampled_from(
    [
        "a",
        " ",
        "\U0001f600",
        "e\u0301",
        "\r\n",
        "\u05d0\u05d1",
        "\u0e01",
        "\U0001f468\u200d\U0001f469",
    ]
)


@given(st.lists(PIECES, min_size=1, max_size=40).map("".join), st.data())
def test_offsets_are_code_points_whatever_the_text(text: str, data: st.DataObject):
    item = item_of("item-3", text)
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    new = data.draw(st.text(max_size=5))
    span = PutSpan(id="span-0001", start=start, end=end, text=text[start:end], replacement=new)
    made = correction_of(item, replay(accepted(item, span, submit("item-3"))), ADA)
    assert made is not None
    assert made.corrected == text[:start] + new + text[end:]
    utf16 = len(text[:start].encode("utf-16-le")) // 2
    if text[utf16 : utf16 + end - start] != span.text:
        wrong = span.model_copy(update={"start": utf16, "end": utf16 + end - start})
        with pytest.raises(RefusedEvent):
            accepted(item, wrong)
