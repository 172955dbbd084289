"""What a local Zoho limits, and Zoho's own limits.

Source: https://www.zoho.com/crm/developer/docs/api/v8/token-validity.html.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["ZOHO_LIMITS", "Limits"]


@dataclass(slots=True)
class Limits:
    """What a local Zoho limits; ``None`` for no limit.

    Attributes:
        grant_seconds: Seconds that a grant token is valid.
        grants: Logins of one client in ten minutes; beyond, ``access_denied``.
        refresh_tokens: Refresh tokens of one user and client; a further one drops the first.
        access_tokens: Active access tokens of one refresh token; a further one drops the first.
    """

    grant_seconds: float | None = 180.0
    grants: int | None = None
    refresh_tokens: int | None = None
    access_tokens: int | None = None


ZOHO_LIMITS: Final = Limits(grants=10, refresh_tokens=20, access_tokens=15)
"""Zoho's own limits, besides ``throttle=10``."""
