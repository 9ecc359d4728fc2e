"""Opens who corrects and who rewords: a model, a prompt source's rules, or deletion."""

from collections.abc import Sequence

from groundtune.errors import UserError
from groundtune.feedback.rewrites import GREEDY, DeletingEditor, InstructedEditor
from groundtune.pipeline.feedback.claim_settings import SELF, author_of, check_author, shortened
from groundtune.pipeline.models.generators import open_generator
from groundtune.pipeline.models.names import Labeler
from groundtune.pipeline.models.prompt_sources import load, names
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.pipeline.rewrite.settings import DELETE, RewriteSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import Editor
from groundtune.records import Answer


def open_editor(
    name: str,
    settings: RewriteSettings,
    folder: RunFolder,
    answers: Sequence[Answer],
    labelers: dict[str, Labeler],
) -> Editor:
    """Return the editor of a name; a model that `labelers` has is not loaded again.

    Raises:
        UserError: the model can't be loaded or reached, or "self" is several models or a
            model with other weights than those that answered.
    """
    if name == DELETE:
        return DeletingEditor()
    if name in names() and (source := load(name)).editor is not None:
        return source.editor()
    model = author_of(answers, folder) if name == SELF else name
    if model not in labelers:
        labelers[model] = open_generator(settings.part(ModelSettings, model=model), folder.images)
    if name == SELF:
        check_author(answers, labelers[model], model)
    return InstructedEditor(
        labelers[model],
        sees=settings.sees,
        sampling=settings.sampling,
        greedy=shortened(GREEDY, settings),
        seed=settings.seed,
    )


def refuse_deleting_rewriter(settings: RewriteSettings) -> None:
    """Raise UserError where the rewriter has no words of its own."""
    if settings.rewriter == DELETE and settings.rewrites:
        raise UserError(
            "A rewriter that only deletes sentences can't reword a text.",
            f"rewriter={DELETE}",
            "Name a model with --rewriter, or keep the style with --rewrites 0.",
        )
