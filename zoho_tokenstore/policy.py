"""The settings: how refreshes are coordinated, and how long tokens may live."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final, Literal

from zoho_tokenstore.errors import ConfigurationError

__all__ = ["RefreshEvent", "RefreshPolicy", "TokenPolicy"]

SHORTEST: Final = 1e-6
LONGEST: Final = 365_000 * 86_400.0
"""Seconds that a token may live: what a ``timedelta`` holds, and the calendar can go back by."""

NUMBERS: Final = ("early", "lease", "wait", "http_timeout", "budget", "budget_window", "cooldown")


@dataclass(frozen=True, slots=True)
class RefreshEvent:
    """An event of a refresh or a first login, for logs and metrics.

    Attributes:
        kind: ``"refreshed"`` by this worker; ``"failed"`` in this worker; ``"waited"`` for another
            worker's; ``"late"`` when it came after its lease had ended and a newer token had been
            stored; ``"refused"`` when none may be made now.
        token_id: The id of the stored token, ``None`` at a first login.
        seconds: Duration of the refresh, or of this worker's wait.
        early: Whether the token was still valid.
        reason: Why it failed or was refused; Zoho's error code where it has sent one.
    """

    kind: Literal["refreshed", "failed", "waited", "late", "refused"]
    token_id: str | None
    seconds: float
    early: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPolicy:
    """When tokens are refreshed, by whom, and how often.

    Attributes:
        early: Seconds before the expiry from which on one worker refreshes, while all others go on
            with the valid token.
        lease: Seconds that a worker has for a refresh. When it has died, another takes over then.
        wait: Seconds that a worker waits for another's refresh of an expired token.
        http_timeout: Seconds that Zoho may take to connect, and to send anything.
        budget: Refreshes of one refresh token in ``budget_window``. Zoho allows 10 in 10 minutes.
        budget_window: Seconds over which they are counted.
        cooldown: Seconds without a refresh after Zoho has refused for their number.
        on_event: Called with every :class:`RefreshEvent`, in the thread that it happened in.

    Raises:
        ConfigurationError: A number is not positive, or a lease would end before Zoho's time.
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
        """Check every number."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in NUMBERS and not _is_positive(value, or_zero=field.name == "early"):
                raise ConfigurationError(
                    f"RefreshPolicy({field.name}=…) must be a positive number, not {value!r}"
                )
        if not isinstance(self.budget, int):
            raise ConfigurationError(
                f"RefreshPolicy(budget=…) must be a whole number, not {self.budget!r}"
            )
        if self.lease <= self.http_timeout:
            raise ConfigurationError(
                f"RefreshPolicy(lease=…) must be longer than http_timeout: {self.lease} seconds "
                f"are over before Zoho's {self.http_timeout} are"
            )


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """How long a token may be served; what is older, or idle for longer, is deleted on sight.

    Attributes:
        max_age: Time since the user's last login: a ``timedelta``, or seconds.
        max_idle: Time since the token was last saved or found: a ``timedelta``, or seconds. Finding
            is noted for each token once in a twentieth of this time, and at least once an hour.

    Raises:
        ConfigurationError: A time is not positive.
    """

    max_age: timedelta | float | None = None
    max_idle: timedelta | float | None = None

    def __post_init__(self) -> None:
        """Make times of what was given."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, timedelta):
                value = value.total_seconds()
            if value is None:
                continue
            if not _is_positive(value) or not SHORTEST <= value <= LONGEST:
                raise ConfigurationError(
                    f"TokenPolicy({field.name}=…) must be a positive time below a thousand years, "
                    f"a timedelta or seconds, not {value!r}"
                )
            object.__setattr__(self, field.name, timedelta(seconds=value))


def _is_positive(value: object, *, or_zero: bool = False) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    return value > 0 or (or_zero and value == 0)
