from groundtune.report.figures import quantity


def test_one_of_something_is_not_several() -> None:
    assert [quantity(count, "step") for count in (0, 1, 2, 1200)] == [
        "0 steps",
        "1 step",
        "2 steps",
        "1,200 steps",
    ]
