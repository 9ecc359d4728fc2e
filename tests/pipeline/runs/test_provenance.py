from pathlib import Path

from groundtune.pipeline.runs.jobs import JobResult
from groundtune.pipeline.runs.provenance import provenance_of
from groundtune.report.model import Provenance
from groundtune.store.run_json import write_run


def test_a_run_folder_says_how_to_make_the_report_again(tmp_path: Path) -> None:
    recipe = {"method": {"type": "dpo", "beta": 0.1}}
    write_run(tmp_path, recipe, {"pairs": "abc"}, {"train": 7}, ["groundtune", "train", "a b.yaml"])
    found = provenance_of(tmp_path, {"train-ddpo": JobResult(key="k", seconds=61.0, peak_mb=10.0)})
    assert found.command == "groundtune train 'a b.yaml'"
    assert found.settings == recipe
    assert (found.seeds, found.inputs) == ({"train": 7}, {"pairs": "abc"})
    assert found.seconds == {"train ddpo": 61.0}
    assert set(found.machine) == {"cores", "system", "memory"}


def test_what_a_folder_does_not_say_is_left_out(tmp_path: Path) -> None:
    assert provenance_of(tmp_path) == Provenance()
    write_run(tmp_path, {}, {}, {}, ["groundtune", "check"])
    found = provenance_of(tmp_path)
    assert (found.seconds, found.machine) == ({}, {})
