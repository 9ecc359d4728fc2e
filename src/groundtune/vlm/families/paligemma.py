"""PaliGemma: prompt and images are a prefix whose tokens see each other; answers are causal.

Its forward makes the mask from `token_type_ids`: 0 is the prefix, 1 a token that sees only earlier
ones (Beyer et al., 2024, arXiv 2407.07726, figure 2).
"""

from groundtune.vlm.family import Family

FAMILIES = (
    Family(
        name="PaliGemma",
        model_types=("paligemma",),
        separate_reason="its forward makes the mask from token types, one sequence per row",
        encoded="whole",
        answer_marks=(("token_type_ids", 1),),
        prompt_end="\n",
        note="The tokens of the prompt see each other, an answer's only earlier ones. Every prompt "
        "needs an image. A checkpoint without a chat template needs a chat_template.jinja in its "
        "folder, with <image> where images are.",
    ),
)
