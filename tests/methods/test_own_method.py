"""Methods of other packages, by entry point."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from example_packages import (
    EXAMPLES,
    install,
    install_example,
    installed,
    result_with,
    result_with_torch,
    run_with,
)
from groundtune.errors import UserError
from groundtune.methods.registry import METHODS
from groundtune.methods.trial import refuse_wrong_hooks
from groundtune.pipeline.align.run import align, align_jobs
from groundtune.pipeline.align.settings import AlignSettings
from groundtune.pipeline.train.plan import plan_training
from groundtune.pipeline.train.run import TrainSettings, train
from groundtune.protocols import SilentProgress
from groundtune.recipe_loading import load
from groundtune.store.run_json import read_run
from training_folder import fill_folder

RECIPE = """\
model: {model}
pairs: {pairs}
method: {{type: hinge, target: 2.0}}
epochs: 1
max_steps: 2
dtype: float32
"""
GROUP = "groundtune.methods"
HEAD = """\
from typing import Literal
import torch
from groundtune.methods.pairwise import Pairwise, View

class Mine(Pairwise):
    type: Literal["mine"] = "mine"
    beta: float = 0.1
"""
SCORE = """
    def score(self, side):
        return side.log_ratio_BT().sum(-1)
"""
PROPERTY = SCORE + "    @property\n"


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Path]:
    """The folder where the documented example is installed."""
    site = install_example("own_method", tmp_path / "site")
    with installed(site, METHODS):
        yield site


@contextmanager
def class_installed(folder: Path, body: str) -> Generator[None]:
    """A method `mine` whose class has this body."""
    points = {GROUP: {"mine": "mine_code:Mine"}}
    site = install(folder / "site", "mine", "1", {"mine_code.py": HEAD + body}, points)
    with installed(site, METHODS):
        yield


def settings(*overrides: str, path: Path | None = None, schema: Any = TrainSettings) -> Any:
    fixed = ["model=world:base", "pairs=x"] if path is None and schema is TrainSettings else []
    return load(path, [*fixed, *overrides], schema)


def refusal(*overrides: str, path: Path | None = None, schema: type[BaseModel] = TrainSettings):
    with pytest.raises(UserError) as caught:
        settings(*overrides, path=path, schema=schema)
    assert len(str(caught.value).splitlines()) == 3
    return caught.value


def recipe_file(folder: Path, model: Path) -> Path:
    fill_folder(folder / "pairs", 4)
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(model=model, pairs=folder / "pairs"))
    return path


def test_a_command_trains_with_the_documented_method(tiny_llava: Path, tmp_path: Path):
    site = install_example("own_method", tmp_path / "site")
    recipe = recipe_file(tmp_path, tiny_llava)
    result = result_with_torch(site, "train", recipe, "--out", tmp_path / "out")
    # The first step's log-ratios are 0: the loss is the target, as with no built-in method.
    assert result["loss"] == 2.0
    shown = result_with(site, "recipes", "show", recipe, "--resolved")["settings"]
    assert shown["method.target"] == {"value": 2.0, "origin": "file"}
    assert shown["method.beta"] == {"value": 0.1, "origin": "default"}


def test_a_run_resumes_only_with_the_same_code_of_the_method(
    example: Path, tiny_llava: Path, tmp_path: Path
):
    recipe = settings(path=recipe_file(tmp_path, tiny_llava))
    out = tmp_path / "out"
    assert plan_training(recipe, SilentProgress()).steps == 1
    assert train(recipe, out, SilentProgress()) == train(recipe, out, SilentProgress())
    noted = read_run(out).inputs["package of method"]
    assert noted.startswith("own-method 0.1.0, source ")
    code = example / "own_method.py"
    code.write_text(code.read_text() + "# changed\n")
    METHODS.refresh()
    with pytest.raises(UserError, match=r"other settings.*\(package of method\)"):
        train(settings(path=tmp_path / "recipe.yaml"), out, SilentProgress())


def test_rounds_of_feedback_take_the_method_and_its_code_is_in_the_keys_of_the_steps(
    example: Path,
):
    words = ("model=world:base", "prompts=world:4", "learn.method.type=hinge")
    rounds = settings(*words, schema=AlignSettings)
    assert rounds.learn.method.target == 1.0
    assert list(rounds.packages()) == ["package of learn.method"]
    (job,) = [job for job in align_jobs(rounds) if job.name == "train-1"]
    noted = job.settings.decisive()["run"]["learn"]["package of method"]
    assert noted == rounds.packages()["package of learn.method"]
    again = AlignSettings.model_validate(rounds.model_dump(mode="json"))
    assert again == rounds
    assert AlignSettings.model_validate_json(rounds.model_dump_json()) == rounds
    wrong = refusal(*words, "learn.method.targett=1", schema=AlignSettings)
    assert wrong.fix == "Did you mean target?"
    assert settings(*words[:2], schema=AlignSettings).packages() == {}


def test_an_unknown_type_names_every_method(example: Path):
    assert refusal("method.type=hing").fix.endswith("'simpo', 'sft', 'hinge'.")


@pytest.mark.parametrize(
    ("line", "what", "fix"),
    [
        ("targt: 3", "method.targt is not a key of the recipe.", "Did you mean target?"),
        (
            "xxx: 3",
            "method.xxx is not a key of the recipe.",
            "The keys here are beta, tar",
        ),
        (
            "gamma: 3",
            "method.type=hinge has no gamma.",
            "Take gamma out, or choose another method.type.",
        ),
        ("target: -3", "method.target is -3.", "It should be greater than 0."),
        ("target: x", "method.target is 'x'.", "It should be a valid number, unable to parse"),
    ],
)
def test_a_wrong_key_or_value_of_the_method_is_refused_with_its_line(
    line: str, what: str, fix: str, example: Path, tmp_path: Path
):
    path = tmp_path / "r.yaml"
    path.write_text(f"model: m\npairs: p\nmethod:\n  type: hinge\n  {line}\n")
    error = refusal(path=path)
    assert (error.what, error.where) == (what, f"{path}:5")
    assert error.fix.startswith(fix)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "The method Mine lacks the hook score."),
        ("    score = None\n", "mine can't be imported: "),
        (SCORE + "    target = 1.0\n", "mine can't be imported: A non-annotated attribute"),
        (SCORE + "    def needs(self): return frozenset()\n", "The hook needs of the method Mine"),
        (PROPERTY + "    def needs(self): return None\n", "The hook needs returns None"),
        (
            PROPERTY + "    def needs(self): return frozenset({'x'})\n",
            "The hook needs returns",
        ),
        (PROPERTY + "    def views(self): return ('crop',)\n", "The hook views returns ('crop',)"),
        (SCORE + "    import nothing_of_this_name\n", "No module named 'nothing_of_this_name'"),
        (SCORE + "    def\n", "mine can't be imported: "),
    ],
)
def test_a_class_that_lacks_something_is_refused_by_its_hook(
    body: str, message: str, tmp_path: Path
):
    with class_installed(tmp_path, body):
        assert message in refusal("method.type=mine").what


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "    def score(self, side): return side.log_ratio_BT()\n",
            "score (chosen) returns (2, 3)",
        ),
        ("    def score(self, side): return 1.0\n", "The hook score (chosen) returns float"),
        ("    def score(self, side): return side.rating_B + 1\n", "The hook score fails"),
        ("    def score(self): return 1\n", "The hook score fails"),
        (SCORE + "    def weights(self, side): return side.tokens_B()\n", "The hook weights"),
        (SCORE + "    def preference(self, margin_B): return margin_B.sum()\n", "hook preference "),
        (SCORE + "    def terms(self, pairs): return {'a': torch.ones(3)}\n", "hook terms (a)"),
        (SCORE + "    def terms(self, pairs): return None\n", "The hook terms"),
        (SCORE + "    def rewards(self, pairs): return 1\n", "The hook rewards fails"),
        ("    def score(self, side): return side.logp_B().detach()\n", "has no gradient"),
    ],
)
def test_a_hook_with_a_wrong_result_is_refused_before_a_model_is_loaded(
    body: str, message: str, tmp_path: Path
):
    with class_installed(tmp_path, body):
        rounds = settings(
            "model=nowhere", "prompts=world:4", "learn.method.type=mine", schema=AlignSettings
        )
        recipe = settings("method.type=mine", "model=nowhere")
        for run in (
            lambda: train(recipe, tmp_path / "train", SilentProgress()),
            lambda: plan_training(recipe, SilentProgress()),
            lambda: align(rounds, tmp_path / "align", SilentProgress()),
        ):
            with pytest.raises(UserError) as caught:
                run()
            assert message in caught.value.what
            assert caught.value.where == f"{GROUP}: mine = mine_code:Mine"
    assert not (tmp_path / "align" / "run.json").exists()


def test_a_method_that_uses_a_reference_must_declare_it(tmp_path: Path):
    with class_installed(tmp_path, PROPERTY + "    def needs(self): return frozenset()\n"):
        method = settings("method.type=mine").method
        with pytest.raises(UserError, match='Add "reference" to its needs'):
            refuse_wrong_hooks(method)


@pytest.mark.parametrize("name", ["dpo", "ddpo", "mdpo", "hsa_dpo", "mm_dpo", "simpo", "sft"])
def test_a_copy_of_a_built_in_method_passes_the_trial(name: str, tmp_path: Path):
    method: object = settings(f"method.type={name}").method
    original = type(method)
    code = (
        f"from typing import Literal\nimport {original.__module__} as module\n"
        f'class Mine(module.{original.__name__}):\n    type: Literal["mine"] = "mine"\n'
    )
    points = {GROUP: {"mine": "mine_code:Mine"}}
    site = install(tmp_path / "site", "mine", "1", {"mine_code.py": code}, points)
    with installed(site, METHODS):
        refuse_wrong_hooks(settings("method.type=mine").method)


def test_an_object_that_is_no_method_or_has_another_type_is_refused(tmp_path: Path):
    names = {"number": "mine_code:NUMBER", "yours": "mine_code:Mine", "gone": "mine_code:X"}
    code = HEAD + SCORE + "NUMBER = 3\n"
    site = install(tmp_path / "site", "mine", "1", {"mine_code.py": code}, {GROUP: names})
    with installed(site, METHODS):
        assert "is not a method" in refusal("method.type=number").what
        assert 'type: Literal["yours"] = "yours"' in refusal("method.type=yours").fix
        gone = refusal("method.type=gone")
        assert "gone can't be imported: module 'mine_code' has no attribute 'X'" in gone.what
        assert gone.where == f"{GROUP}: gone = mine_code:X"


def test_a_name_of_two_packages_is_refused_and_a_built_in_one_is_not_replaced(tmp_path: Path):
    site = tmp_path / "site"
    both = {GROUP: {"mine": "mine_code:Mine", "dpo": "nothing:X"}}
    install(site, "mine", "1", {"mine_code.py": HEAD + SCORE}, both)
    install(site, "other", "2", {}, both)
    with installed(site, METHODS):
        assert "Several installed packages have mine" in refusal("method.type=mine").what
        assert settings("method.type=dpo").method.beta == 0.1


def test_entry_points_are_read_only_for_a_type_that_is_not_built_in(tmp_path: Path):
    stop = (
        "import importlib.metadata\n"
        "read = importlib.metadata.entry_points\n"
        "def stop(**names):\n"
        "    if str(names.get('group')).startswith('groundtune.'):\n"
        "        raise SystemExit('entry points are read')\n"
        "    return read(**names)\n"
        "importlib.metadata.entry_points = stop\n"
    )
    (tmp_path / "sitecustomize.py").write_text(stop)
    show = ("recipes", "show", "world-ddpo", "--resolved")
    built_in, other = run_with(tmp_path, *show), run_with(tmp_path, *show, "method.type=mine")
    assert built_in.returncode == 0, built_in.stderr
    assert "entry points are read" in other.stderr


def test_the_documented_method_is_the_example_and_has_25_lines_of_code():
    text = (EXAMPLES / "own_method" / "own_method.py").read_text()
    assert text in (EXAMPLES.parent / "docs" / "methods-custom.md").read_text("utf-8")
    assert len([line for line in text.splitlines() if line.strip()]) <= 25
