"""Addresses of pictures that a platform is asked to show."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

_KEPT = "%/:?#[]@!$&'()*+,;=-._~"
"""What stands in an address as it is (RFC 3986, section 2.2), and escapes that are there already."""


def usable(picture: str, longest: int) -> str:
    """The address as it goes on the wire, in at most `longest` characters; empty for what is no https address.

    A picture is an ornament: one that cannot be shown is left out, and the message stays.
    """
    try:
        parts = urlsplit(picture)
        host = parts.hostname or ""
        parts.port  # noqa: B018 - raises for what is none
    except ValueError:
        return ""
    if parts.scheme != "https" or "." not in host or not host.isascii() or not picture.isprintable() or " " in picture:
        return ""
    address = quote(picture, safe=_KEPT)
    return address if len(address) <= longest else ""
