"""Addresses as people may see them: in messages, logs and pages, without passwords and keys."""

from __future__ import annotations

import re

_USER = re.compile(r"(?P<scheme>\b[a-z][\w+.-]*://)[^\s/?#'\"]*@", re.IGNORECASE)
_KEY = re.compile(r"(?P<name>[?&;][\w.-]*(?:pass|pwd|token|key|secret|sig|auth|cred)[\w.-]*=)[^\s&;'\"]*", re.IGNORECASE)


def shown(text: object) -> str:
    """A text, such as an address or a message with some, without user and password before an `@` and without values of keys.

    `https://me:word@host/a?token=x&b=1` becomes `https://***@host/a?token=***&b=1`. What is no address stays as it is.
    """
    return _KEY.sub(r"\g<name>***", _USER.sub(r"\g<scheme>***@", str(text)))


def has_secret(address: str) -> bool:
    """Whether an address has what `shown` leaves out."""
    return shown(address) != address
