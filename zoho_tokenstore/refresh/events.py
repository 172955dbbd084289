"""The log of refreshes and first logins, and the application's hook."""

import logging
from collections.abc import Callable
from typing import Final

from zoho_tokenstore.policy import RefreshEvent

__all__ = ["log", "report_event"]

log: Final = logging.getLogger("zoho_tokenstore.refresh")


def report_event(hook: Callable[[RefreshEvent], None] | None, event: RefreshEvent) -> None:
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
