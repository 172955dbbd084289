"""Policies that an application sets: refresh coordination and token retention."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from zoho_tokenstore.errors import ConfigurationError

__all__ = ["EventKind", "RefreshEvent", "RefreshPolicy", "TokenPolicy", "checked_retention"]

SHORTEST: Final = 1e-6
LONGEST: Final = 365_000 * 86_400.0
"""Limits of a token's age in seconds, within the range of ``timedelta`` and ``datetime``."""

NUMBERS: Final = ("early", "lease", "wait", "http_timeout", "budget", "budget_window", "cooldown")


EventKind: TypeAlias = Literal["refreshed", "failed", "waited", "late", "refused"]


@dataclass(frozen=True, slots=True)
class RefreshEvent:
    """An event of a refresh or a first login, for logs and metrics.

    Attributes:
        kind: ``"refreshed"`` and ``"failed"`` are refreshes by this worker; ``"waited"`` is a wait
            for another worker's refresh; ``"late"`` is a refresh that ended after its lease, when a
            newer token was stored; ``"refused"`` is a refresh that is not allowed now.
        token_id: The id of the stored token, ``None`` at a first login.
        seconds: Duration of the refresh, or of this worker's wait.
        early: Whether the token was still valid.
        reason: Reason of a failure or refusal; Zoho's error code if there is one.
    """

    kind: EventKind
    token_id: str | None
    seconds: float
    early: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPolicy:
    """Timing and limits of token refreshes.

    Attributes:
        early: Seconds before the expiry at which one worker starts a refresh. All other workers
            continue with the valid token.
        lease: Seconds that a worker has for a refresh. Afterwards another worker takes over.
        wait: Seconds that a worker waits for another worker's refresh of an expired token.
        http_timeout: Seconds that Zoho may take for its whole answer.
        budget: Refreshes allowed for one refresh token within ``budget_window``. Zoho allows 10 in
            10 minutes.
        budget_window: Seconds over which refreshes are counted.
        cooldown: Seconds without a refresh after Zoho has throttled one.
        on_event: Callback for every :class:`RefreshEvent`, called in the thread of the refresh.

    Raises:
        ConfigurationError: A number is not positive, or ``lease`` is not longer than
            ``http_timeout``.
    """

    early: float = 300.0
    lease: float = 30.0
    wait: float = 45.0
    http_timeout: float = 10.0
    budget: int = 10
    budget_window: float = 600.0
    cooldown: float = 120.0
    on_event: Callable[[RefreshEvent], None] | None = None

    def __post_init__(self) -> None:
        """Check every number.

        Raises:
            ConfigurationError: A number is not positive, or the lease is too short.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in NUMBERS and not _is_positive(value, or_zero=field.name == "early"):
                raise ConfigurationError(
                    f"RefreshPolicy({field.name}={value!r}) is invalid: pass a positive number"
                )
        if not isinstance(self.budget, int):
            raise ConfigurationError(
                f"RefreshPolicy(budget={self.budget!r}) is invalid: pass an integer"
            )
        if self.lease <= self.http_timeout:
            raise ConfigurationError(
                f"RefreshPolicy(lease={self.lease!r}) is too short: pass more seconds than "
                f"http_timeout={self.http_timeout!r}"
            )


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """Limits after which a stored token is no longer served, and is deleted at its next lookup.

    Attributes:
        max_age: Maximum time since the user's last login: a ``timedelta``, or seconds.
        max_idle: Maximum time since the token was last saved or found: a ``timedelta``, or seconds.
            A lookup is recorded once per twentieth of this time or once per hour, whichever is
            shorter.

    Raises:
        ConfigurationError: A limit is not positive, or longer than a thousand years.
    """

    max_age: timedelta | float | None = None
    max_idle: timedelta | float | None = None

    def __post_init__(self) -> None:
        """Convert both limits to ``timedelta``.

        Raises:
            ConfigurationError: A limit is out of range.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, timedelta):
                value = value.total_seconds()
            if value is None:
                continue
            if not _is_positive(value) or not SHORTEST <= value <= LONGEST:
                raise ConfigurationError(
                    f"TokenPolicy({field.name}={value!r}) is invalid: pass a positive timedelta or "
                    "number of seconds, below a thousand years"
                )
            object.__setattr__(self, field.name, timedelta(seconds=value))


def checked_retention(limit: object) -> timedelta | None:
    """Return how long audit entries are kept, ``None`` for ever.

    Raises:
        ConfigurationError: It is not a positive ``timedelta``, or longer than a thousand years.
    """
    if limit is None:
        return None
    if isinstance(limit, timedelta) and 0 < limit.total_seconds() <= LONGEST:
        return limit
    raise ConfigurationError(
        f"audit_retention={limit!r} is invalid: pass a positive timedelta, below a thousand years"
    )


def _is_positive(value: object, *, or_zero: bool = False) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    return value > 0 or (or_zero and value == 0)
