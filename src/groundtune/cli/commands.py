"""Table of the commands: where each is, its line in `groundtune --help`, and its section there."""

from typing import NamedTuple

START = "Start"
LOOP = "The loop"
EVALUATE = "Evaluate"
DATA = "Data"
SERVE = "Serve"
WORLD = "The embedded world"


class Command(NamedTuple):
    """A command's function, its line of help and its section of the help page."""

    target: str
    help: str
    section: str = ""
    """"" for a command of a group, which has the section."""


class CommandGroup(NamedTuple):
    """Commands of two words that share the first, such as "bench run"."""

    help: str
    section: str


GROUPS: dict[str, CommandGroup] = {
    "recipes": CommandGroup(
        "List, show, copy and run the recipes that come with Groundtune.", START
    ),
    "splitter": CommandGroup("Train your own model to split answers into claims.", LOOP),
    "reward": CommandGroup("Train reward models and score answers with them.", LOOP),
    "project": CommandGroup("Measure, back up and restore annotation projects.", DATA),
    "people": CommandGroup("Manage who logs in to an annotation project.", DATA),
    "bench": CommandGroup("Run and score benchmarks.", EVALUATE),
    "world": CommandGroup(
        "Show scenes, write data, train the world's models, measure feedback.", WORLD
    ),
}
COMMANDS: dict[str, Command] = {
    "demo": Command(
        "groundtune.cli.demo:demo", "Run the whole loop on a small built-in world.", START
    ),
    "recipes list": Command("groundtune.cli.recipes:list_", "List the recipes."),
    "recipes show": Command("groundtune.cli.recipes:show", "Print a recipe."),
    "recipes copy": Command("groundtune.cli.recipes:copy", "Copy a recipe to a file to edit."),
    "recipes run": Command(
        "groundtune.cli.recipes:run", "Import a recipe's data and run its command."
    ),
    "doctor": Command(
        "groundtune.cli.doctor:doctor", "Look at this machine and say what works.", START
    ),
    "plan": Command(
        "groundtune.cli.plan:plan", "Estimate what a recipe takes: hours, memory, cost.", START
    ),
    "schema": Command(
        "groundtune.cli.schema:schema", "Print the JSON Schema of recipes or records.", START
    ),
    "completion": Command(
        "groundtune.cli.completion:completion", "Set up tab completion in your shell.", START
    ),
    "sample": Command("groundtune.cli.sample:sample", "Sample answers from a model.", LOOP),
    "label": Command(
        "groundtune.cli.label:label", "Correct answers, or check their claims with a model.", LOOP
    ),
    "annotate": Command(
        "groundtune.cli.annotate:annotate", "Correct and compare answers in the browser.", LOOP
    ),
    "pairs": Command(
        "groundtune.cli.pairs:pairs",
        "Make preference pairs from feedback.",
        LOOP,
    ),
    "rewrite": Command(
        "groundtune.cli.rewrite:rewrite",
        "Make pairs by correcting and rewording answers.",
        LOOP,
    ),
    "style": Command(
        "groundtune.cli.style:style",
        "Check that a pair's answers differ in truth, not style.",
        LOOP,
    ),
    "train": Command("groundtune.cli.train:train", "Train a model on preference pairs.", LOOP),
    "rl": Command(
        "groundtune.cli.rl:rl", "Train by reinforcement learning on the model's own answers.", LOOP
    ),
    "align": Command(
        "groundtune.cli.align:align", "Repeat sample, label, pairs and train for some rounds.", LOOP
    ),
    "rounds": Command("groundtune.cli.rounds:rounds", "Compare align runs round by round.", LOOP),
    "reward train": Command(
        "groundtune.cli.reward:train", "Train a reward model on comparisons or corrections."
    ),
    "reward measure": Command(
        "groundtune.cli.reward:measure", "Measure a reward model on feedback that it didn't learn."
    ),
    "reward study": Command(
        "groundtune.cli.reward_study:study",
        "Compare reward models with and without facts on the same comparisons.",
    ),
    "reward filter": Command(
        "groundtune.cli.reward:filter_", "Keep the pairs on which a reward model agrees."
    ),
    "reward score": Command("groundtune.cli.reward:score", "Score answers with a reward model."),
    "splitter lessons": Command(
        "groundtune.cli.splitter:lessons", "Make training examples from answers split into claims."
    ),
    "splitter score": Command(
        "groundtune.cli.splitter:score", "Measure how well a model splits answers into claims."
    ),
    "splitter people": Command(
        "groundtune.cli.splitter_people:people", "Compare claims and spans with people's marks."
    ),
    "bench run": Command("groundtune.cli.bench.run:run", "Generate answers and score them."),
    "bench score": Command("groundtune.cli.bench.run:score", "Score answers that you have."),
    "bench list": Command("groundtune.cli.bench.run:list_", "List the benchmarks."),
    "bench data": Command("groundtune.cli.bench.data:data", "Download a benchmark's data."),
    "bench export": Command(
        "groundtune.cli.bench.export:export", "Write scores as logs of another evaluator."
    ),
    "bench calibrate": Command(
        "groundtune.cli.bench.calibrate:calibrate", "Compare a judge's verdicts with another's."
    ),
    "compare": Command(
        "groundtune.cli.compare:compare", "Compare models on the same items, with tests.", EVALUATE
    ),
    "methods-study": Command(
        "groundtune.cli.methods_study:methods_study",
        "Compare ways of training, each searched equally.",
        EVALUATE,
    ),
    "overcorrection": Command(
        "groundtune.cli.overcorrection:overcorrection",
        "Show what is lost as a model learns from more pairs.",
        EVALUATE,
    ),
    "check": Command(
        "groundtune.cli.check:check", "Check answers about your own images.", EVALUATE
    ),
    "report": Command(
        "groundtune.cli.report:report", "Write a run's report as one HTML page.", EVALUATE
    ),
    "facts": Command(
        "groundtune.cli.facts:facts", "Add what is known about the images to a run's prompts.", DATA
    ),
    "import": Command(
        "groundtune.cli.import_:import_",
        "Import pairs or feedback from a published data set.",
        DATA,
    ),
    "export": Command(
        "groundtune.cli.export:export", "Export pairs or feedback in a published layout.", DATA
    ),
    "card": Command(
        "groundtune.cli.card:card", "Write the card of a model or of pairs for the hub.", DATA
    ),
    "people add": Command("groundtune.cli.people:add", "Add a person, such as the first owner."),
    "people list": Command("groundtune.cli.people:list_", "List people, and what they did."),
    "people password": Command("groundtune.cli.people:password", "Set a person's password."),
    "people remove": Command(
        "groundtune.cli.people:remove", "Delete one person's data, or keep it under a pseudonym."
    ),
    "people audit": Command("groundtune.cli.people:audit", "Write who did what to whom."),
    "project quality": Command(
        "groundtune.cli.project:quality", "Print agreement, known results, time and cost."
    ),
    "project claims": Command(
        "groundtune.cli.project:claims", "Ask a labeler which replacements claim the same."
    ),
    "project backup": Command(
        "groundtune.cli.project:backup", "Write an annotation project to one file."
    ),
    "project restore": Command(
        "groundtune.cli.project:restore", "Make the project of a backup again."
    ),
    "serve": Command(
        "groundtune.cli.serve:serve", "Serve a model with an OpenAI-compatible API.", SERVE
    ),
    "best-of": Command(
        "groundtune.cli.best_of:best_of", "Choose the best of several answers.", SERVE
    ),
    "world show": Command("groundtune.cli.world:show", "Draw scenes with their ground truth."),
    "world train": Command("groundtune.cli.world:train", "Train a world model from scratch."),
    "world data": Command("groundtune.cli.world_data:data", "Write scenes as data sets."),
    "world examples": Command(
        "groundtune.cli.world_examples:examples", "Write true answers for supervised tuning."
    ),
    "world judge": Command(
        "groundtune.cli.world_data:judge", "Judge answers about scenes by the ground truth."
    ),
    "world facts": Command(
        "groundtune.cli.world_knowledge:facts", "Measure whether a model reads facts."
    ),
    "world probe": Command(
        "groundtune.cli.world_knowledge:probe", "Measure what a model knows and doesn't say."
    ),
    "world claims": Command(
        "groundtune.cli.world_claims:claims", "Measure claim feedback against the ground truth."
    ),
    "study": Command(
        "groundtune.cli.study:study", "Run the loop over many seeds and settings.", WORLD
    ),
}
