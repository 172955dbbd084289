"""What a failed or refused refresh means: the errors that applications see."""

from zoho_tokenstore.errors import (
    ClientRefusedError,
    LoginRequiredError,
    RefreshError,
    RefreshFailedError,
    RefreshThrottledError,
)
from zoho_tokenstore.refresh.lease import CLIENT_FAULTS, PERMANENT, THROTTLED, Refused

__all__ = ["failure_error", "refusal_error"]


def refusal_error(refused: Refused) -> RefreshError:
    """Return the error of a refresh that may not be made now."""
    if refused.failure in CLIENT_FAULTS:
        return _client_error(refused.failure or "")
    if refused.failure:
        return LoginRequiredError(
            f"Zoho has refused the stored login ({refused.failure}): log this user in again "
            "with a new grant token, or save a new refresh token",
            refused.failure,
        )
    seconds = refused.milliseconds / 1000
    return RefreshThrottledError(
        "the access token has expired and Zoho's refresh limit is reached; "
        f"retry in {seconds:.0f} seconds",
        seconds,
    )


def failure_error(reason: str, cooldown: float) -> RefreshError:
    """Return the error of a refresh that Zoho has refused, or that failed otherwise.

    Args:
        reason: As in :class:`Failure`.
        cooldown: Seconds of the pause after a throttling.
    """
    if reason in CLIENT_FAULTS:
        return _client_error(reason)
    if reason in PERMANENT:
        return LoginRequiredError(
            f"Zoho has refused the login ({reason}): log this user in again", reason
        )
    if reason == THROTTLED:
        return RefreshThrottledError(
            f"Zoho's limit of requests is reached; retry in {cooldown:.0f} seconds", cooldown
        )
    return RefreshFailedError(f"the refresh of the access token has failed: {reason}", reason)


def _client_error(reason: str) -> ClientRefusedError:
    return ClientRefusedError(
        f"Zoho has refused the client ({reason}), not the user's login: check the client id and "
        "the client secret of this worker, and the client in Zoho's API console",
        reason,
    )
