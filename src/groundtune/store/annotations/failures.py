"""Logins that failed: counted for a day, and each makes the next try wait longer.

A name from one address may fail 5 times in a row at once; an address 20 times in all, and a name 50
times from everywhere. Each further failure doubles the wait, from 2 seconds up to 15 minutes.
"""

import ipaddress
import time
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from groundtune.store.annotations.tables import FAILURES

_KEPT_S = 86_400
_COUNTED_S = 3600
_LONGEST_WAIT_S = 900
_FREE_BOTH, _FREE_ADDRESS, _FREE_LOGIN = 5, 20, 50


class FailureCount(NamedTuple):
    """Failed logins of a day."""

    total: int
    unknown: int
    """With a name that nobody has."""
    addresses: int


def wait_s(connection: Connection, login: str, address: str, *, now: float | None = None) -> float:
    """Seconds until this name may be tried from this address; 0 for at once."""
    now = time.time() if now is None else now
    by_login = (FAILURES.c.login == login) & (FAILURES.c.login != "")
    by_address = FAILURES.c.address == network_of(address)
    return max(
        _wait(connection, by_login & by_address, _FREE_BOTH, now),
        _wait(connection, by_address, _FREE_ADDRESS, now),
        _wait(connection, by_login, _FREE_LOGIN, now),
    )


def add_failure(
    connection: Connection, login: str, address: str, *, now: float | None = None
) -> None:
    """Count a failed login. `login` is "" if nobody has it: people type passwords there."""
    now = time.time() if now is None else now
    connection.execute(delete(FAILURES).where(FAILURES.c.at < now - _KEPT_S))
    row = {"login": login, "address": network_of(address), "at": now}
    connection.execute(insert(FAILURES), [row])


def clear_failures(connection: Connection, login: str, address: str) -> None:
    """Forget the failures of a name from an address, which then logged in."""
    is_match = (FAILURES.c.login == login) & (FAILURES.c.address == network_of(address))
    connection.execute(delete(FAILURES).where(is_match))


def count_failures(connection: Connection, *, now: float | None = None) -> FailureCount:
    """How many logins failed within a day."""
    now = time.time() if now is None else now
    counts = select(
        func.count(),
        func.count().filter(FAILURES.c.login == ""),
        func.count(FAILURES.c.address.distinct()),
    ).where(FAILURES.c.at >= now - _KEPT_S)
    total, unknown, addresses = connection.execute(counts).one()
    return FailureCount(total, unknown, addresses)


def network_of(address: str) -> str:
    """An IPv4 address, or the /64 network of an IPv6 one, which one machine has whole."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))


def _wait(connection: Connection, which: ColumnElement[bool], free: int, now: float) -> float:
    recent = select(func.count(), func.max(FAILURES.c.at)).where(which)
    number, last = connection.execute(recent.where(FAILURES.c.at >= now - _COUNTED_S)).one()
    if number < free:
        return 0
    wait = min(_LONGEST_WAIT_S, 2.0 ** min(number - free + 1, 30))
    return max(0.0, last + wait - now)
