"""What the SDKs of contracts A and B are given for a stored row, so that they do the right thing.

They name the user in the call, refresh what they are given when its expiry has passed, and log in
with their own token when they are given nothing (seen in zcrmsdk 3.1.0 and zohocrmsdk2-1 3.0.0).
"""

from typing import Final

from zoho_tokenstore.tokens.matching import completion
from zoho_tokenstore.tokens.record import MAX_EXPIRY, TokenRecord

__all__ = ["EXPIRED", "answer", "is_new_login", "usable"]

EXPIRED: Final = 0
"""An expiry in epoch milliseconds that makes the SDK refresh."""


def is_new_login(wanted: TokenRecord, row: TokenRecord) -> bool:
    """Tell whether a token brings a grant token that has not been exchanged yet.

    A user who consents again, say to more scopes or after a revocation, comes with a new grant
    token. Handing out the stored token would leave it unused until it has expired.
    """
    return (
        wanted.grant_token is not None
        and wanted.refresh_token is None
        and wanted.grant_token != row.grant_token
    )


def answer(wanted: TokenRecord, row: TokenRecord) -> TokenRecord | None:
    """Return what to hand back for a token whose user has this row, ``None`` for a new login.

    What the application set stays. A refresh token beside a grant token is none of that: it came
    from an exchange, and the row's may be of a later one.
    """
    if is_new_login(wanted, row):
        return None
    if wanted.grant_token is not None:
        wanted = wanted._replace(refresh_token=None)
    return usable(wanted._replace(**completion(wanted, row)))


def usable(token: TokenRecord) -> TokenRecord | None:
    """Give a token an expiry that the SDK can go by, ``None`` if there is only a login to be made.

    Without an expiry contract A fails (``int(None)``) and contract B never refreshes.
    """
    if token.access_token is not None and token.expiry is not None:
        return token
    if token.refresh_token is not None:
        return token._replace(expiry=EXPIRED)
    return None if token.access_token is None else token._replace(expiry=MAX_EXPIRY)
