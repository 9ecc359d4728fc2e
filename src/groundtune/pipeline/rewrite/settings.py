"""Settings and result of the stage "rewrite"."""

from typing import Literal

from pydantic import Field

from groundtune.pipeline.feedback.claim_settings import ClaimSettings
from groundtune.records import Record, Sampling

NONE = "none"
DELETE = "delete"


class RewriteSettings(ClaimSettings):
    """Who verifies, corrects and rewords; a claim's settings besides."""

    MAY_CHANGE = ClaimSettings.MAY_CHANGE
    command: Literal["rewrite"] = "rewrite"
    second: str = "self"
    """The second verifier, named as the labeler: a claim is wrong where both say no. "none"
    believes the labeler alone, as HA-DPO did its GPT-4."""
    corrector: str = "self"
    """Who corrects and extends: a model, "self" for the one that answered, the rules of a prompt
    source (world), or "delete", which removes each sentence with something wrong in it."""
    rewriter: str = "self"
    """Who rewords both sides: a model, "self", or the rules of a prompt source."""
    sees: bool = True
    """Whether the corrector gets the images. A model of text alone corrects by what is known to be
    wrong and true, and adds nothing."""
    correct: bool = True
    """Correct what is wrong. Without it, what is wrong stays on both sides."""
    extend: bool = True
    """Add what is in the image and the answer does not mention."""
    most_added: int = Field(default=3, ge=0)
    """Statements that are added to an answer at the most; 0 sets no limit."""
    rewrites: int = Field(default=3, ge=0)
    """Wordings per side: HA-DPO has 3. 0 rewords neither, so that the chosen side keeps the style
    of an edited text."""
    kinds: tuple[Literal["whole", "first_sentence", "yes_no"], ...] = ("whole",)
    """Kinds of pairs: whole answers; the first wrong sentence against its correction, after a
    verified prefix; yes/no questions of verified claims, as many with yes as with no. HA-DPO mixed
    descriptions and questions about 1 to 1."""
    least_kept: float = Field(default=1.0, ge=0, le=1)
    """Least share of a side's right, and of its wrong, statements that a wording must keep."""
    sampling: Sampling = Sampling(max_new_tokens=1024, temperature=0.7)
    """How a model rewords. It corrects and lists what it sees greedily."""
    reference: str = ""
    """The model that is to be trained: with it the style gate refuses pairs whose sides differ in
    style, before they are written."""
    most_auc: float = Field(default=0.75, ge=0.5, le=1)
    """See `groundtune style`."""
    most_distance: float = Field(default=1.0, gt=0)
    """See `groundtune style`."""
    seed: int = 0


class StepCounts(Record):
    """What became of the answers and texts; nothing is left out uncounted."""

    answers: int = 0
    unread: int = 0
    """Answers with a part that could not be divided, or nothing that was decided."""
    nothing_to_do: int = 0
    """Answers with nothing wrong and nothing to add."""
    no_text: int = 0
    """Answers whose correction or extension could not be read, or left nothing."""
    unchanged: int = 0
    """Answers that were returned as they were although something is wrong or was to be added."""
    still_wrong: int = 0
    """Corrected answers that can't be read or in which both labelers still find something wrong."""
    extensions_wrong: int = 0
    """Extensions left out because both labelers find something wrong in the extended text."""
    extensions_unread: int = 0
    """Extensions that could not be read, or that changed nothing."""
    drafts: int = 0
    """Answers with a corrected text: what is left."""
    corrected: int = 0
    """Drafts of which something wrong was corrected."""
    extended: int = 0
    """Drafts to which something was added."""
    wordings: int = 0
    """Reworded texts that were asked for, of both sides."""
    wordings_lost: dict[str, int] = Field(default_factory=dict[str, int])
    """Those that were left out, by why."""
    first_sentences: int = 0
    """Pairs of a first wrong sentence."""
    first_sentences_lost: dict[str, int] = Field(default_factory=dict[str, int])
    """Answers that made none, by why."""
    yes_no: int = 0
    """Pairs of yes/no questions."""
    yes_no_unbalanced: int = 0
    """Questions that were left out because the other answer has fewer."""
    pairs: int = 0
    """Of all kinds."""


class RewriteSummary(Record):
    """The result of the stage."""

    labeler: str
    second: str
    counts: StepCounts
    claims: dict[str, int]
    """Claims of the answers by what both labelers make of them."""
    proposals: dict[str, int]
    """The same of what might replace or be added."""
    words_chosen: float
    words_rejected: float
    """Mean words of the pairs' sides."""
