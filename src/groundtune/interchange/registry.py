"""Names of the layouts, with a line each. Imports nothing, so that `--help` can list them."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from typing_extensions import TypeIs

LayoutName = Literal[
    "rlhf-v",
    "rlaif-v",
    "rlaif-v-jsonl",
    "trl",
    "llama-factory",
    "llama-factory-alpaca",
    "ms-swift",
    "hsa-dpo",
    "mm-rlhf",
    "vlfeedback",
    "llava-rlhf",
    "ha-dpo",
    "corrections",
    "thumbs",
]

TITLES: dict[LayoutName, str] = {
    "rlhf-v": "openbmb/RLHF-V-Dataset: Parquet with images",
    "rlaif-v": "openbmb/RLAIF-V-Dataset: Parquet with images",
    "rlaif-v-jsonl": "the pairs that RLAIF-V's own pipeline writes, as JSON lines",
    "trl": "TRL's preference data with images: Parquet with images, or JSON",
    "llama-factory": "LLaMA-Factory's sharegpt ranking data, with dataset_info.json",
    "llama-factory-alpaca": "LLaMA-Factory's alpaca ranking data, with dataset_info.json",
    "ms-swift": "ms-swift's messages with a rejected response, messages or images",
    "hsa-dpo": "HSA-DPO's JSON lines with scores; images are named by id",
    "mm-rlhf": "MM-RLHF's dpo_pairs.jsonl",
    "vlfeedback": "MMInstruction/VLFeedback: several rated answers per row, Parquet or JSON",
    "llava-rlhf": "zhiqings/LLaVA-Human-Preference-10K: one list of dialogues",
    "ha-dpo": "juliozhao/hadpo-data: pope_data.json and desc_data.json",
    "corrections": "your corrections as a table: question, image, answer, corrected answer",
    "thumbs": "single answers, each good or not: image, question, answer, good; for method kto",
}

TARGETS: dict[LayoutName, str] = {
    "rlhf-v": "rlhf_v",
    "rlaif-v": "rlaif_v:PARQUET",
    "rlaif-v-jsonl": "rlaif_v:LINES",
    "trl": "trl:LAYOUT",
    "llama-factory": "llama_factory:SHAREGPT",
    "llama-factory-alpaca": "llama_factory:ALPACA",
    "ms-swift": "ms_swift:LAYOUT",
    "hsa-dpo": "hsa_dpo:LAYOUT",
    "mm-rlhf": "mm_rlhf:LAYOUT",
    "vlfeedback": "vlfeedback",
    "llava-rlhf": "llava_rlhf:LAYOUT",
    "ha-dpo": "ha_dpo:LAYOUT",
    "corrections": "corrections:LAYOUT",
    "thumbs": "thumbs:LAYOUT",
}
"""Name: "module" that is a `Format`, or "module:CONSTANT" that is a `Layout`, in this folder."""

FeedbackLayoutName = Literal["fg-rlhf"]
"""Layouts of feedback on answers: corrections and comparisons, not yet pairs."""

FEEDBACK_TITLES: dict[FeedbackLayoutName, str] = {
    "fg-rlhf": "FG-RLHF's QA feedback: corrections and comparisons, not pairs; one JSON list",
}

FEEDBACK_TARGETS: dict[FeedbackLayoutName, str] = {"fg-rlhf": "fg_rlhf"}
"""Name: a module in the folder `layouts` that is a `FeedbackFormat`."""

MarksLayoutName = Literal["mhumaneval", "check-marks"]
"""Layouts of what people marked as wrong, for the evaluations that read them; written only."""

MARKS_TITLES: dict[MarksLayoutName, str] = {
    "mhumaneval": "marked answers of one or more models, for `groundtune bench score mhumaneval`",
    "check-marks": "whether answers are wrong, for `groundtune check --marks`",
}

ExampleLayoutName = Literal[
    "llava-instruct",
    "vqav2-yes-no",
    "vqav2-short",
    "a-okvqa",
    "flickr30k-phrases",
    "captions",
    "cc-sbu-align",
]
"""Layouts of prompts with the answer to learn, for supervised tuning; read only."""

EXAMPLE_TITLES: dict[ExampleLayoutName, str] = {
    "llava-instruct": "examples: LLaVA's dialogues and mixtures, one JSON list",
    "vqav2-yes-no": "examples: VQA-v2's annotations, an image's yes/no questions as one dialogue",
    "vqav2-short": "examples: VQA-v2's annotations, each question with its usual answer",
    "a-okvqa": "examples: aokvqa_v1p0_train.json, as multiple choice",
    "flickr30k-phrases": "examples: Shikra's CWB_flickr30k_train.jsonl, phrases with boxes",
    "captions": "examples: your captions as a table: image, caption, and question if you have one",
    "cc-sbu-align": "examples: MiniGPT-4's filter_cap.json, on which HA-DPO anchors",
}

EXAMPLE_TARGETS: dict[ExampleLayoutName, str] = {
    "llava-instruct": "llava_instruct:LAYOUT",
    "vqav2-yes-no": "vqav2:YES_NO",
    "vqav2-short": "vqav2:SHORT",
    "a-okvqa": "a_okvqa:LAYOUT",
    "flickr30k-phrases": "flickr30k:LAYOUT",
    "captions": "captions:OWN",
    "cc-sbu-align": "captions:CC_SBU_ALIGN",
}
"""Name: "module:CONSTANT" that is an `ExampleLayout`, in the folder `layouts`."""

AnyLayoutName = Literal[LayoutName, FeedbackLayoutName]
ImportLayoutName = Literal[LayoutName, FeedbackLayoutName, ExampleLayoutName]
ExportLayoutName = Literal[LayoutName, FeedbackLayoutName, MarksLayoutName]


def is_feedback(layout: ExportLayoutName) -> "TypeIs[FeedbackLayoutName]":
    """Whether the layout holds corrections and comparisons instead of pairs."""
    return layout in FEEDBACK_TARGETS


def is_examples(layout: ImportLayoutName) -> "TypeIs[ExampleLayoutName]":
    """Whether the layout holds examples instead of pairs."""
    return layout in EXAMPLE_TARGETS


def is_marks(layout: ExportLayoutName) -> "TypeIs[MarksLayoutName]":
    """Whether the layout holds people's marks for an evaluation."""
    return layout in MARKS_TITLES
