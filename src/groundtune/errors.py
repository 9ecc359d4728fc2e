"""The error that a user's input causes: three lines (what, where, how to fix it), exit status 2."""


class UserError(Exception):
    """Input that a person can fix.

    `what` says what is wrong, `where` names the file, row or field, `fix` says what to do; each is
    one sentence or a name. The command line prints them on three lines without a traceback.
    """

    def __init__(self, what: str, where: str, fix: str) -> None:
        super().__init__(f"{what}\nwhere: {where}\nfix: {fix}")
        self.what = what
        self.where = where
        self.fix = fix

    def parts(self) -> dict[str, str]:
        """What, where and fix, by their names."""
        return {"what": self.what, "where": self.where, "fix": self.fix}

    def __reduce__(self) -> tuple[type["UserError"], tuple[str, str, str]]:
        # Exception would be made again of its message alone when it comes from another process.
        return type(self), (self.what, self.where, self.fix)


class UnfitError(UserError):
    """A prompt or an answer that this model doesn't take; it may take the others."""


class NotFiniteError(UserError):
    """A model computes NaN or infinity; no row of the input is to blame."""


def not_finite(what: str, model: str) -> NotFiniteError:
    """Return the error for a model whose `what` (a plural) are no numbers."""
    return NotFiniteError(
        f"The model's {what} are not numbers (NaN or infinite).",
        model,
        "Load it with dtype=float32 or dtype=bfloat16; if that changes nothing, its weights are "
        "damaged.",
    )
