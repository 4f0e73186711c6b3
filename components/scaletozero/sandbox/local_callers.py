"""Which requests a server of this machine takes: those of programs on it, and of its own pages.

Any web page can reach this machine's ports through a browser, so requests from other pages are recognised and refused:
by the name of another host, the page's origin, or a preflight.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit


class MalformedError(ValueError):
    """A request that is not valid HTTP; the text is the reason."""


class ForeignError(ValueError):
    """A request that neither a program on this machine nor an own page would send; the text is the reason."""


def require_local(headers: Iterable[tuple[str, str]], method: str, server: str) -> None:
    """Refuses what another page in a browser sends, or makes a browser send.

    Args:
        headers: (name, value) pairs as received.
        method: of the request.
        server: what the server is, for the reason.

    Raises:
        ForeignError: the request is for another host, has another page's origin, or is a preflight.
        MalformedError: the request does not have exactly one Host header.
    """
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value.strip())
    hosts = found.get("host", [])
    if len(hosts) != 1:
        raise MalformedError(f"exactly one Host header is required, got {len(hosts)}")
    if not is_local(hosts[0]):
        raise ForeignError(f"{server} serves 127.0.0.1 and localhost only, not for another Host")
    if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in found.get("origin", ())):
        raise ForeignError(f"{server} accepts no requests from web pages (Origin)")
    if any(site not in ("none", "same-origin") for site in found.get("sec-fetch-site", ())):
        raise ForeignError(f"{server} accepts no requests from web pages (Sec-Fetch-Site)")
    if method == "OPTIONS":
        raise ForeignError(f"{server} accepts no requests from web pages (OPTIONS)")


def is_local(host: str) -> bool:
    """Whether the value of a Host header names this machine: a loopback address, `localhost`, or a name below it,
    which resolvers never look up elsewhere (RFC 6761)."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
