"""What the status of an HTTP answer means for what was sent."""

from __future__ import annotations

# The receiver is gone for good. Standard Webhooks (https://www.standardwebhooks.com): send nothing there any more.
GONE = 410
# RFC 9110 and RFC 6585: the receiver asks for another try. 409 because a receiver may be busy with the first one.
_PASSING = frozenset({408, 409, 425, 429})


def is_good(status: int) -> bool:
    """Tell whether the receiver has taken it."""
    return 200 <= status < 300  # noqa: PLR2004 - HTTP's own numbers


def may_pass(status: int) -> bool:
    """Tell whether the same request may be taken at a later try."""
    return status in _PASSING or status >= 500  # noqa: PLR2004 - HTTP's own number
