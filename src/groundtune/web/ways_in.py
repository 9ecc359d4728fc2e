"""Checks how people are to reach the app, before it starts."""

import logging
from urllib.parse import urlsplit

from groundtune.errors import UserError
from groundtune.hosts import is_this_machine
from groundtune.pipeline.annotate.people import has_owner
from groundtune.pipeline.annotate.project import Project
from groundtune.web.access import Door

log = logging.getLogger(__name__)


def checked_door(
    person: str,
    host: str,
    *,
    url: str = "",
    frames: tuple[str, ...] = (),
    proxies: int | None = None,
) -> Door:
    """Return the door for the options of `groundtune annotate`; `person` is "" with login.

    Warns where passwords would be sent as plain text.

    Raises:
        UserError: other machines would reach the app without login; options that need a login come
            without one; an address is none; frames without HTTPS, for which browsers keep no
            cookies.
    """
    is_here = is_this_machine(host)
    if person:
        _refuse_without_login(host if not is_here else "", url, frames, proxies)
        return Door(person=person)
    origin = _origin("--url", url) if url else ""
    sites = tuple(_origin("--frames", each) for each in frames)
    if sites and not origin.startswith("https:"):
        raise UserError(
            "In a frame of another site, browsers keep people logged in over HTTPS only.",
            "--frames",
            "Give the app's address behind a proxy with HTTPS: --url https://annotate.example.org.",
        )
    if proxies is not None and not 0 <= proxies <= 9:
        raise UserError("There can be 0 to 9 proxies.", f"--proxies {proxies}", "Count them.")
    if not is_here and not origin.startswith("https:"):
        log.warning(
            "Passwords travel as plain text to %s: use a proxy with HTTPS, and give its address "
            "with --url.",
            host,
        )
    return Door(
        url=origin, frames=sites, proxies=(1 if origin else 0) if proxies is None else proxies
    )


def refuse_without_owner(project: Project) -> None:
    """Raise UserError where nobody could log in and invite others."""
    if not has_owner(project.database):
        raise UserError(
            "The project has no owner who can log in.",
            project.where,
            f"Add one: groundtune people add {project.where} NAME --role owner.",
        )


def _refuse_without_login(
    elsewhere: str, url: str, frames: tuple[str, ...], proxies: int | None
) -> None:
    if elsewhere:
        raise UserError(
            "Other machines could reach the app, and nobody has to log in.",
            f"--host {elsewhere}",
            "Add --login, or leave out --host.",
        )
    options = {"--url": url, "--frames": frames, "--proxies": proxies is not None}
    for option, value in options.items():
        if value:
            raise UserError(f"{option} is for apps in which people log in.", option, "Add --login.")


def _origin(option: str, address: str) -> str:
    """Scheme, host and port of an address, as browsers write them. Raises UserError."""
    try:
        parts = urlsplit(address.strip())
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        parts, port = urlsplit(""), ""
    host = parts.hostname or ""
    plain = parts.path in ("", "/") and not parts.query and not parts.fragment
    usual = all(sign.isalnum() or sign in ".-:" for sign in host) and host.isascii()
    if (
        parts.scheme not in ("http", "https")
        or not host
        or not plain
        or not usual
        or "@" in address
    ):
        raise UserError(
            f"{option} is not the address of a site.",
            f"{option} {address}",
            "Give scheme and host alone, such as https://annotate.example.org.",
        )
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"
