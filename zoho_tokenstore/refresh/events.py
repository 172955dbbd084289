"""What happens to refreshes and first logins, for logs and metrics."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["RefreshEvent", "emit", "log"]

log: Final = logging.getLogger("zoho_tokenstore.refresh")


@dataclass(frozen=True, slots=True)
class RefreshEvent:
    """Something that happened to a refresh or a first login, for logs and metrics.

    Attributes:
        kind: ``"refreshed"`` by this worker; ``"failed"`` in this worker; ``"waited"`` for another
            worker's; ``"late"`` when it came after its lease had ended and a newer token had been
            stored; ``"refused"`` when none may be made now.
        token_id: The id of the stored token, ``None`` at a first login.
        seconds: How long it took, or how long this worker has waited.
        early: Whether the token was still valid.
        reason: Why it failed or was refused; Zoho's error code where it has sent one.
    """

    kind: Literal["refreshed", "failed", "waited", "late", "refused"]
    token_id: str | None
    seconds: float
    early: bool = False
    reason: str | None = None


def emit(hook: Callable[[RefreshEvent], None] | None, event: RefreshEvent) -> None:
    """Log an event and pass it to the application's hook, whose errors are logged as well."""
    level = logging.WARNING if event.kind in ("failed", "refused") else logging.INFO
    log.log(level, "%s", _sentence(event))
    if hook is not None:
        try:
            hook(event)
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
