"""Rounds of AI feedback, whole and very small, on the embedded world's models."""

import json
import signal
from collections import Counter
from pathlib import Path
from shutil import copytree

import pytest

from forked_program import COMMAND, Forked
from groundtune.bench.world.images import add_image, split_scenes
from groundtune.cli.app import EXIT_DONE, run
from groundtune.errors import UserError
from groundtune.pipeline.align.choosing import RoundChoice, read_choice
from groundtune.pipeline.align.prompts import hold_out, of_round
from groundtune.pipeline.align.run import align, align_jobs, rewrite_align
from groundtune.pipeline.align.settings import AlignResult, AlignSettings, Round
from groundtune.pipeline.align.side_by_side import compare_runs
from groundtune.pipeline.align.steps import FeedbackCounts
from groundtune.pipeline.feedback.claim_settings import ClaimSettings
from groundtune.pipeline.recipes.registry import find
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.runs.jobs import done_jobs
from groundtune.pipeline.world.prompts import CHOOSING_FROM
from groundtune.recipe_loading import load
from groundtune.records import Prompt
from groundtune.store.images import ImageStore
from groundtune.store.run_json import read_run
from groundtune.store.sealed import read_sealed
from groundtune.vlm.load import load as load_model
from job_works import Notes
from waiting import wait_until

SMALL = (
    "prompts=world:8",
    "n=3",
    "rounds=2",
    "sampling.max_new_tokens=60",
    "learn.max_steps=4",
    "learn.batch_size=8",
    "learn.optim.lr=3.0e-4",
    "learn.method.gamma=20",  # so that four steps change something
    "learn.checkpoints=2",
    "choose.prompts=3",
    "choose.kinds=[]",
    "choose.max_content_loss=0.5",  # so that a round is better
    "evaluation.images={world-captions: 2, world-questions: 1}",
)


def settings_of(*overrides: str) -> AlignSettings:
    return load(find("world-align"), [*SMALL, *overrides], AlignSettings)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("align")


@pytest.fixture(scope="module")
def made(out: Path) -> AlignResult:
    return align(settings_of(), out, Notes(), command=["groundtune", "align"])


def choice_of(out: Path, number: int) -> RoundChoice:
    return read_choice(out / f"round-{number}")


def test_each_round_begins_with_the_model_that_the_one_before_chose(made: AlignResult, out: Path):
    for number in (1, 2):
        folder = RunFolder(out / f"round-{number}")
        authors = {answer.producer.name for answer in folder.answers.read()}
        assert authors == {"base" if number == 1 else "round-1"}
        assert len(folder.answers.read()) == 24  # 8 prompts, 3 answers each
        inputs = read_run(folder.path / "training").inputs
        source = read_run(folder.path / "training").recipe["model"]
        assert (source == str(out / "round-1/model")) == (number == 2)
        assert inputs["pairs"]
        pairs = folder.pairs.read()
        assert pairs
        assert all(pair.origin == "claims" for pair in pairs)
        assert all(pair.rejected_spans for pair in pairs)
    assert made.model == out / "round-2/model"
    assert (made.model / "config.json").exists()


def test_rounds_ask_about_other_scenes_and_never_about_those_chosen_by(
    made: AlignResult, out: Path
):
    seen = [
        {prompt.source.row for prompt in RunFolder(out / name).prompts.read()}
        for name in ("round-1", "round-2", "choosing")
    ]
    assert not seen[0] & seen[1]
    assert {row.partition("/")[0] for row in seen[0] | seen[1]} == {"train"}
    assert {row.partition("/")[0] for row in seen[2]} == {"development"}
    assert all(int(row.partition("/")[2]) >= CHOOSING_FROM for row in seen[2])


def test_a_checkpoint_is_chosen_by_the_stated_rule_and_the_others_are_removed(
    made: AlignResult, out: Path
):
    choice = choice_of(out, 1)
    assert [c.name for c in choice.candidates] == ["start", "step-000002", "step-000004"]
    allowed = [c for c in choice.candidates if c.allowed]
    chosen = next(c for c in choice.candidates if c.name == choice.chosen)
    assert chosen.wrong == min(c.wrong for c in allowed)
    start = choice.candidates[0]
    assert [c.kept >= 0.5 * start.kept - 1e-9 for c in choice.candidates] == [
        c.allowed for c in choice.candidates
    ]
    assert not list((out / "round-1/training/checkpoints").glob("step-*"))


def test_the_report_has_a_row_a_round(made: AlignResult):
    tables = json.loads(made.results.read_text())
    assert [row["round"] for row in tables["rounds"]] == [1, 2]
    assert {row["model"] for row in tables["estimates"]} == {"base", "round-1", "round-2"}
    assert {row["against"] for row in tables["differences"]} == {"base"}
    assert [row[0] for row in made.table] == ["model", "Base", "Round 1", "Round 2"]
    page = made.report.read_text()
    assert "Rounds of AI feedback" in page
    assert page.count("Settings tried before these were chosen: 45.") == 2  # summary and limits
    assert "Round 2" in page


def test_rounds_of_the_world_are_also_compared_at_equal_length(made: AlignResult, out: Path):
    told = compare_runs([out])
    assert [row[0] for row in told.table] == [row[0] for row in made.table]
    assert [row[1:] for row in told.table] == [row[3:] for row in made.table]
    assert told.page.length_control is not None
    assert {d.model for d in told.page.length_control.differences} == {"round-2"}


def test_done_rounds_stay_and_a_report_can_be_made_again(made: AlignResult, out: Path):
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    page = made.report.read_text()
    align(settings_of(), out, Notes(), command=["groundtune", "align"])
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")} == before
    made.report.unlink()
    assert rewrite_align(out).read_text() == page


def test_other_models_draw_their_share_of_the_candidates(tmp_path: Path):
    settings = settings_of("rounds=1", "others=[world:labeler]", "prompts=world:3")
    (held, *_), steps = align_jobs(settings)[:1], {job.name: job for job in align_jobs(settings)}
    for job in (held, steps["sample-1"], steps["sample-1"], steps["label-1"]):
        job.work(tmp_path, job.settings, Notes())
    folder = RunFolder(tmp_path / "round-1")
    said = Counter(answer.producer.name for answer in folder.answers.read())
    assert said == {"base": 6, "world:labeler": 3}
    names = {answer.key: answer.producer.name for answer in folder.answers.read()}
    both = {tuple(sorted({names[key] for key in pair.parents})) for pair in folder.pairs.read()}
    assert ("base", "world:labeler") in both
    with pytest.raises(UserError, match="shared out"):
        settings_of("others=[a, b, c]")


@pytest.mark.parametrize(
    "change", ["rounds=3", "batch_size=7", "feedback.batch_size=7", "learn.micro_tokens=900"]
)
def test_more_rounds_and_what_changes_no_result_leave_the_steps_that_are_done(
    made: AlignResult, out: Path, change: str
):
    done = done_jobs(out, align_jobs(settings_of(change)))
    assert list(done) == [job.name for job in align_jobs(settings_of())]


def test_a_first_model_with_an_adapter_is_merged_before_it_answers(
    tiny_llava: Path, tmp_path: Path
):
    import torch
    from peft import LoraConfig, get_peft_model

    base, adapter, out = (tmp_path / name for name in ("base", "adapter", "out"))
    copytree(tiny_llava, base)
    load_model(str(tiny_llava), dtype="bfloat16").model.save_pretrained(base)
    config = LoraConfig(r=2, target_modules=["q_proj"])
    adapted = get_peft_model(load_model(str(base)).model, config)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=1e-5)  # below the spacing of bfloat16
    adapted.save_pretrained(str(adapter))
    settings = settings_of("rounds=1", f"model={base}", f"adapter={adapter}", "dtype=bfloat16")
    jobs = {job.name: job for job in align_jobs(settings)}
    assert list(jobs)[:3] == ["hold-out", "merge", "evaluate-base"]
    assert jobs["evaluate-base"].needs == jobs["sample-1"].needs == ("merge",)
    assert jobs["sample-1"].settings.part(Round).model == "base"
    jobs["merge"].work(out, jobs["merge"].settings, Notes())
    tuned = load_model(str(base), adapter=adapter).model.merge_and_unload().state_dict()
    merged = load_model(str(out / "base"), dtype="checkpoint").model.state_dict()
    assert all(torch.equal(merged[name], weight) for name, weight in tuned.items())
    weights = load_model(str(base)).model.state_dict()
    changed = [name for name in weights if not torch.equal(weights[name], merged[name])]
    kept = [(merged[name] != weights[name]).flatten() for name in changed]
    rounded = [(merged[n].bfloat16() != weights[n].bfloat16()).flatten() for n in changed]
    assert torch.cat(kept).float().mean() > 0.9
    assert torch.cat(rounded).float().mean() < 0.1


def test_a_model_at_an_endpoint_is_refused_before_any_step():
    with pytest.raises(UserError, match="can't be trained"):
        settings_of("model=openai:m@http://127.0.0.1:9/v1")


def test_other_settings_are_refused_in_a_folder(made: AlignResult, out: Path):
    with pytest.raises(UserError, match=r"other settings \(n\)"):
        align(settings_of("n=4"), out, Notes())


def test_the_test_split_stays_closed_without_a_notebook(tmp_path: Path):
    with pytest.raises(UserError, match="closed"):
        align(settings_of("evaluation.split=test"), tmp_path / "out", Notes())
    assert not (tmp_path / "out").exists()


def test_truth_is_chosen_by_only_where_a_source_knows_it(
    tmp_path: Path,
):
    with pytest.raises(UserError) as raised:
        align(settings_of("prompts=mine.jsonl", "choose.by=truth"), tmp_path / "out", Notes())
    assert (raised.value.what, raised.value.where, raised.value.fix) == (
        "The truth about these prompts is not known.",
        "choose.by=truth, prompts=mine.jsonl",
        "Set choose.by=claims, or use prompts of a source that knows it: "
        "world:400, world-hard:400.",
    )
    assert not (tmp_path / "out").exists()


def test_a_benchmark_that_the_source_has_not_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="can't measure models with pope") as raised:
        align(settings_of("evaluation.images.pope=3"), tmp_path / "out", Notes())
    assert raised.value.fix == "Use world-captions and world-questions."
    assert not (tmp_path / "out").exists()


def test_prompts_of_a_round_are_the_next_ones_in_a_circle():
    prompts = [Prompt(key=str(i), messages=()) for i in range(5)]

    def part(number: int, size: int = 2) -> list[str]:
        return [prompt.key for prompt in of_round(prompts, number, size, seed=0)]

    assert sorted(part(1) + part(2) + part(3)[:1]) == ["0", "1", "2", "3", "4"]
    assert part(3)[1] == part(1)[0]
    assert part(1, 0) == part(2, 9) == ["0", "1", "2", "3", "4"]


def own_images(path: Path, number: int) -> Path:
    """Images of the world as someone's own: nothing tells what is on them."""
    images = ImageStore(path / "store")
    rows = [
        {"image": str(images.path(add_image(scene, images))), "question": "Describe the image."}
        for scene in split_scenes("train", number)
    ]
    file = path / "mine.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


OWN = (
    "rounds=1",
    "reported=2",
    "choose.prompts=2",
    "feedback.labeler=world:labeler",
    "learn={method: {type: ddpo}, tune: {type: lora, r: 4}, optim: {lr: 1.0e-4}}",
)


def test_ones_own_images_are_chosen_and_reported_by_claims_with_ddpo_and_a_lora(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = own_images(tmp_path, 10)
    command = [
        "align",
        "world-align",
        *SMALL,
        *OWN,
        f"prompts={file}",
        "--out",
        str(tmp_path / "o"),
    ]
    assert run(command) == EXIT_DONE
    out = tmp_path / "o"
    told = capsys.readouterr().out
    assert "Answers with a rejected claim" in told
    assert str(out / "round-1/model") in told
    parts = [
        {image for prompt in RunFolder(out / name).prompts.read() for image in prompt.images}
        for name in ("choosing", "reporting", "learning")
    ]
    assert [len(part) for part in parts] == [2, 2, 6]
    assert len({image for part in parts for image in part}) == 10
    tables = json.loads((out / "align.json").read_text())
    figures = {(row["model"], row["metric"]): row for row in tables["estimates"]}
    assert figures["round-1", "rejected_answers"]["n"] == 2
    assert not (out / "round-1/model/adapter_config.json").exists()
    feedback = read_sealed(out / "round-1/feedback.json", FeedbackCounts)
    assert feedback.claims.answers == 18


def test_claims_that_could_not_be_read_end_the_rounds_with_the_true_cause(tmp_path: Path):
    settings = settings_of(*OWN, "feedback.divider=self", f"prompts={own_images(tmp_path, 10)}")
    with pytest.raises(UserError, match=r"claims that could not be read: \d+") as refused:
        align(settings, tmp_path / "out", Notes())
    assert "divider=world" in refused.value.fix


@pytest.mark.parametrize(
    ("overrides", "sizes"), [((), [15, 15, 30]), (("held_back=0.1", "reported=2"), [6, 2, 52])]
)
def test_of_few_images_at_most_a_share_is_held_back_and_this_is_reported(
    overrides: tuple[str, ...],
    sizes: list[int],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
):
    settings = load(
        None,
        ["model=world:base", f"prompts={own_images(tmp_path, 60)}", *overrides],
        AlignSettings,
    )
    hold_out(tmp_path / "out", settings, Notes())
    found = [
        len(RunFolder(tmp_path / "out" / name).prompts.keys())
        for name in ("choosing", "reporting", "learning")
    ]
    assert found == sizes
    said = f"of 60 prompts, {sizes[0]} are for choosing (not choose.prompts=100) and {sizes[1]}"
    assert said in caplog.text


def test_a_refused_run_is_corrected_in_the_same_folder(tmp_path: Path):
    few, out = own_images(tmp_path, 2), tmp_path / "out"
    with pytest.raises(UserError, match="none is left to learn from"):
        align(settings_of(*OWN, f"prompts={few}"), out, Notes())
    settings = settings_of(*OWN, f"prompts={own_images(tmp_path, 6)}")
    assert align(settings, out, Notes()).report.exists()
    with pytest.raises(UserError, match=r"other settings \(n\)"):
        align(settings.model_copy(update={"n": 2}), out, Notes())


def test_too_few_images_are_refused_before_a_model_answers(tmp_path: Path):
    settings = settings_of(*OWN, f"prompts={own_images(tmp_path, 2)}")
    with pytest.raises(UserError, match="none is left to learn from"):
        align(settings, tmp_path / "out", Notes())
    assert not (tmp_path / "out/evaluation").exists()


def test_self_is_the_model_of_the_round():
    assert settings_of().feedback.labeler == ClaimSettings().labeler == "self"
    names = {job.name: job.settings for job in align_jobs(settings_of())}
    rounds = [names["label-1"], names["label-2"]]
    assert [each.part(Round).model for each in rounds] == ["world:base", "round-1/model"]


def test_killed_on_the_way_it_goes_on_and_ends_as_if_nothing_had_been(
    made: AlignResult, out: Path, tmp_path: Path
):
    again, settings = tmp_path / "again", settings_of("rounds=1")
    running = Forked(COMMAND, "align", *SMALL, "rounds=1", "--out", again)
    answers = again / "round-1/answers"
    wait_until(lambda: running.status is not None or list(answers.glob("*.parquet")))
    assert running.kill() == -signal.SIGKILL
    assert len(done_jobs(again, align_jobs(settings))) < len(align_jobs(settings))
    align(settings, again, Notes())
    assert choice_of(again, 1) == choice_of(out, 1)
    ours, theirs = (RunFolder(each / "round-1").claims.read() for each in (again, out))
    assert [(c.text, c.status) for c in ours] == [(c.text, c.status) for c in theirs]
