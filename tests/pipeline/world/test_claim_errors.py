"""A labeler's errors by how usual an object is in its place, and the study on hard scenes."""

from pathlib import Path

from groundtune.bench.world.images import ask_about
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.world.claim_errors import USUAL, object_errors
from groundtune.pipeline.world.claims import ClaimStudy, study
from groundtune.protocols import SilentProgress
from groundtune.records import Answer, Claim, ClaimStatus, Producer
from groundtune.world.catalogue import CONTEXTS
from groundtune.world.claims import statements
from groundtune.world.scenes import Scene, prior, scene

BY = Producer(kind="model", name="someone")


def claimed(prompt: str, text: str, of_objects: list[ClaimStatus]) -> tuple[Answer, list[Claim]]:
    """An answer and its claims with these verdicts on objects; all else is supported."""
    verdicts = iter(of_objects)
    claims = [
        Claim(
            key=f"c{i}",
            answer="a",
            start=each.start,
            end=each.end,
            text=each.text,
            kind=each.kind,
            status=next(verdicts) if each.kind == "object" else "supported",
        )
        for i, each in enumerate(statements(text))
    ]
    return Answer(key="a", prompt=prompt, text=text, producer=BY), claims


def absent(where: Scene, *, usual: bool) -> str:
    """A category of the place that the scene doesn't have."""
    return next(
        name
        for name in CONTEXTS[where.context].prior
        if where.thing(name) is None and (prior(where.context, name) >= USUAL) == usual
    )


def test_wrong_verdicts_are_counted_apart_for_what_is_usual_in_a_place():
    where = scene("development", 1)
    prompt = ask_about(where, "0" * 64, "Describe it.")
    there, usual = where.things[0].category, absent(where, usual=True)
    assert prior(where.context, there) >= USUAL
    unusual = absent(where, usual=False)
    text = f"There is a {there}. There is a {usual}. There is a {unusual}. There is no {usual}."
    answer, claims = claimed(prompt.key, text, ["rejected", "supported", "rejected", "supported"])
    often, seldom = object_errors("someone", [answer], claims, {prompt.key: prompt})
    assert (often.usual, often.true, often.false) == (True, 1, 1)
    assert often.missed is not None
    assert often.believed is not None
    assert (often.missed.value, often.believed.value) == (1, 1)
    assert (seldom.usual, seldom.true, seldom.false, seldom.missed) == (False, 0, 1, None)
    assert seldom.believed is not None
    assert seldom.believed.value == 0


def test_hard_scenes_can_be_studied(tmp_path: Path):
    settings = ClaimStudy(scenes=2, n=2, difficulty="hard", labelers=("world:base",))
    result = study(settings, tmp_path, SilentProgress())
    assert all(p.source.row.startswith("hard/") for p in RunFolder(tmp_path).prompts.read())
    assert sum(each.true + each.false for each in result.objects) > 0
