"""Host headers of HTTP requests: which host a client asked for, and whether it is this machine."""

import ipaddress
import re
from collections.abc import Iterable

_HOST = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[\w.~%!$&'()*+,;=-]+))(?::\d{0,5})?", re.ASCII
)
"""RFC 9110, 7.2: a name, an IPv4 address or an IPv6 address in brackets, and perhaps a port."""


def host_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the Host header's name or address, without port and brackets; "" if there is none.

    Raises:
        ValueError: it is no host, or there are several.
    """
    values = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if not values or values == [""]:
        return ""
    match = _HOST.fullmatch(values[0])
    if len(values) > 1 or match is None:
        raise ValueError("the Host header is no host")
    if match["ipv6"] is None:
        return match["name"]
    return str(ipaddress.IPv6Address(match["ipv6"]))


def is_this_machine(host: str) -> bool:
    """Whether a host's name or address is this machine's own, which no other site can have."""
    if host.lower().removesuffix(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
