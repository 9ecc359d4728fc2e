"""What each seed of an arm gave, and runs that left the model as it was."""

from groundtune.pipeline.methods_study.choosing import ref_of
from groundtune.pipeline.methods_study.seeds import seed_results, seed_rows, unchanged
from groundtune.pipeline.methods_study.settings import ArmRun
from groundtune.records import Score
from study_measure import METRICS, WeightsMeasure


def scores_of(name: str, wrong: int) -> list[Score]:
    """Ten scores, `wrong` of which are wrong."""
    return [
        Score(
            key=f"{name} {item}",
            benchmark="weights",
            item=f"{item}",
            image=f"{item}",
            model=name,
            values={"wrong": float(item < wrong), "kept": 1.0},
        )
        for item in range(10)
    ]


def test_each_seed_is_a_row_and_a_run_that_changed_nothing_is_named() -> None:
    runs = [ArmRun("ppo", 0, seed) for seed in range(3)]
    wrong = dict(zip(runs, (2, 6, 6), strict=True))
    scores = {run.name: scores_of(run.name, wrong[run]) for run in runs}
    measure = WeightsMeasure()
    results = seed_results(runs, scores, measure, scores_of("base", 6))
    assert [each.as_base for each in results] == [False, True, True]
    specs = [(ref_of(measure, metric.name), metric) for metric in METRICS]
    assert seed_rows(results, specs, ["Wrong", "Kept"]) == [
        ["arm", "seed", "Wrong", "Kept"],
        ["ppo", "0", "20.0%", "100.0%"],
        ["ppo", "1, as the base", "60.0%", "100.0%"],
        ["ppo", "2, as the base", "60.0%", "100.0%"],
    ]
    assert unchanged(results) == ["ppo: with seeds 1 and 2 all figures are those of the base."]


def test_without_a_base_no_run_is_called_unchanged() -> None:
    runs = [ArmRun("ppo", 0, 0)]
    (found,) = seed_results(runs, {"ppo-1-s0": scores_of("ppo", 6)}, WeightsMeasure(), ())
    assert not found.as_base
