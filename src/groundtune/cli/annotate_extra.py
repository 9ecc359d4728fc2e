"""Whether what annotation projects need is installed."""

from importlib.util import find_spec

_PACKAGES = ("sqlalchemy", "alembic", "argon2", "fastapi", "uvicorn", "markdown_it")


def require_annotate_extra(command: str) -> None:
    """Raise UserError, naming the extra, where a package is missing."""
    from groundtune.errors import UserError

    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise UserError(
            f"Annotation projects need {', '.join(missing)}, which is not installed.",
            command,
            "Install the extra: pip install 'groundtune[annotate]'.",
        )
