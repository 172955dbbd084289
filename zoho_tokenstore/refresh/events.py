"""The log of refreshes and first logins, and the application's hook."""

import logging
from collections.abc import Callable
from typing import Final

from zoho_tokenstore.policy import EventKind, RefreshEvent
from zoho_tokenstore.refresh.inflight import RefreshClaim
from zoho_tokenstore.refresh.lease import Clock

__all__ = ["Events", "log"]

log: Final = logging.getLogger("zoho_tokenstore.refresh")


class Events:
    """Reports what happens to the log and to the application's hook.

    Args:
        hook: The application's hook, whose errors are logged as well.
        clock: The host's clock.
    """

    def __init__(self, hook: Callable[[RefreshEvent], None] | None, clock: Clock) -> None:
        """Report nothing yet."""
        self._hook = hook
        self._clock = clock

    def report_end(self, kind: EventKind, claim: RefreshClaim, reason: str | None = None) -> None:
        """Report the end of a claim."""
        token_id = claim.record.id if claim.record else None
        self.report(kind, token_id, claim.started, early=claim.early, reason=reason)

    def report(
        self,
        kind: EventKind,
        token_id: str | None,
        since: float,
        *,
        early: bool = False,
        reason: str | None = None,
    ) -> None:
        """Report an event that began at a time of the monotonic clock."""
        event = RefreshEvent(kind, token_id, self._clock.monotonic() - since, early, reason)
        level = logging.WARNING if kind in ("failed", "refused") else logging.INFO
        log.log(level, "%s", _sentence(event))
        if self._hook is not None:
            try:
                self._hook(event)
            except Exception:
                log.exception("RefreshPolicy(on_event=…) raised; the refresh goes on")


def _sentence(event: RefreshEvent) -> str:
    what = "a first login" if event.token_id is None else f"token {event.token_id}"
    when = " before its expiry" if event.early else ""
    match event.kind:
        case "refreshed":
            return f"{what}: refreshed{when} in {event.seconds:.2f} s"
        case "failed":
            return f"{what}: refresh{when} failed after {event.seconds:.2f} s: {event.reason}"
        case "waited":
            return f"{what}: waited {event.seconds:.2f} s for another worker's refresh"
        case "late":
            return f"{what}: came late after {event.seconds:.2f} s; a newer token is stored"
        case _:
            return f"{what}: no refresh now: {event.reason}"
