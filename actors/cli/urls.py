"""Checks URLs that a user names."""

from urllib.parse import urlsplit


def is_url(text: str) -> bool:
    """Whether a text is an http or https URL with a host."""
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port >= 0)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and has_host and not any(char.isspace() for char in text)
