"""How a stored row completes the SDK's token, so that each SDK continues correctly.

The SDKs of contracts A and B name the user in the call, refresh the returned token when its expiry
has passed, and log in with their own token when nothing is returned (seen in zcrmsdk 3.1.0 and
zohocrmsdk2-1 3.0.0).
"""

from typing import Any

from zoho_tokenstore.tokens.record import EXPIRED, FIELDS, MAX_EXPIRY, TokenRecord

__all__ = ["completed_token", "completion", "is_new_login", "usable_token"]


def completion(token: TokenRecord, row: TokenRecord) -> dict[str, Any]:
    """Return the fields that the row knows better than the caller's token, with the row's values.

    Fields that the caller set stay, but the id is the row's, and access token and expiry stay
    together: a stored pair that expires later, or alone has an expiry, replaces the caller's.
    """
    better: dict[str, Any] = {
        name: known
        for name, own, known in zip(FIELDS, token, row, strict=True)
        if own is None and known is not None
    }
    if row.id is not None:
        better["id"] = row.id
    if token.access_token is not None and row.access_token is not None:
        better.pop("expiry", None)
        if row.expiry is not None and row.expiry > (token.expiry or -1):
            better |= {"access_token": row.access_token, "expiry": row.expiry}
    elif row.access_token is not None and row.expiry is not None:
        better["expiry"] = row.expiry
    return better


def is_new_login(wanted: TokenRecord, row: TokenRecord) -> bool:
    """Return whether a token brings a grant token that has not been exchanged yet.

    A user who consents again, for example to more scopes or after a revocation, comes with a new
    grant token. Returning the stored token would leave it unused until that has expired.
    """
    return (
        wanted.grant_token is not None
        and wanted.refresh_token is None
        and wanted.grant_token != row.grant_token
    )


def completed_token(wanted: TokenRecord, row: TokenRecord) -> TokenRecord | None:
    """Return the token for a caller whose user has this row, ``None`` for a new login.

    Fields that the application set stay. A refresh token next to a grant token is not one of them:
    it came from an exchange, and the row's may come from a later one.
    """
    if is_new_login(wanted, row):
        return None
    if wanted.grant_token is not None:
        wanted = wanted._replace(refresh_token=None)
    return usable_token(wanted._replace(**completion(wanted, row)))


def usable_token(token: TokenRecord) -> TokenRecord | None:
    """Return the token with an expiry that the SDK can use, ``None`` if it has to log in first.

    Without an expiry contract A fails (``int(None)``) and contract B never refreshes.
    """
    if token.access_token is not None and token.expiry is not None:
        return token
    if token.refresh_token is not None:
        return token._replace(expiry=EXPIRED)
    return None if token.access_token is None else token._replace(expiry=MAX_EXPIRY)
