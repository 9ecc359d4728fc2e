"""Which replacements of two people claim the same, as a labeler judged them, and which labeler."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from groundtune.records import Record
from groundtune.store.annotations.items import read_setting, write_setting
from groundtune.store.annotations.tables import SAME_CLAIMS
from groundtune.store.json_writing import json_of

_NAME = "claim_check"


class ReplacementCheck(Record):
    """Who divides a project's replacements into claims, and who confirms them."""

    labeler: str
    divider: str
    settings: dict[str, Any]
    """Those of the claims; the next check begins with them."""
    by: str
    """Hash of both, with all that changes what they say."""


def claim_check(connection: Connection) -> ReplacementCheck | None:
    """The project's check; None if there was none."""
    stored = read_setting(connection, _NAME)
    return None if stored is None else ReplacementCheck.model_validate(json.loads(stored))


def set_claim_check(connection: Connection, check: ReplacementCheck) -> None:
    """Set the project's check; what others judged goes."""
    write_setting(connection, _NAME, json_of(check))
    connection.execute(delete(SAME_CLAIMS).where(SAME_CLAIMS.c.by != check.by))


def add_judged(connection: Connection, by: str, judged: Mapping[str, bool | None]) -> None:
    """Add judgements by their keys; None for one that can't be made."""
    rows = [
        {"key": key, "by": by, "same": None if same is None else int(same)}
        for key, same in judged.items()
    ]
    if rows:
        connection.execute(delete(SAME_CLAIMS).where(SAME_CLAIMS.c.key.in_(list(judged))))
        connection.execute(insert(SAME_CLAIMS), rows)


def judged_by(connection: Connection, by: str) -> dict[str, bool | None]:
    """What a check judged, by key."""
    query = select(SAME_CLAIMS.c.key, SAME_CLAIMS.c.same).where(SAME_CLAIMS.c.by == by)
    rows = connection.execute(query)
    return {str(key): None if same is None else bool(same) for key, same in rows}


def number_judged(connection: Connection, by: str) -> int:
    """How many judgements a check made."""
    query = select(func.count()).select_from(SAME_CLAIMS).where(SAME_CLAIMS.c.by == by)
    return connection.execute(query).scalar_one()
