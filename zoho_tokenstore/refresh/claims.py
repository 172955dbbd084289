"""What a lookup hands out: a token, and perhaps the duty to refresh it or to log in."""

from dataclasses import dataclass
from typing import NamedTuple

from zoho_tokenstore.refresh.inflight import InflightRefresh
from zoho_tokenstore.tokens.digests import Digest, digest
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["LookupResult", "RefreshClaim", "credential_digest"]


@dataclass(eq=False, slots=True)
class RefreshClaim:
    """The right, and the duty, to refresh a token or to log in.

    Attributes:
        key: The key of the lease.
        owner: The claim's name in it.
        inflight: What the other threads of this process wait for.
        record: The token as it was; ``None`` at a first login.
        early: Whether its access token is still valid.
        started: When it began, by the monotonic clock, in seconds.
        settled: Whether its end is known.
    """

    key: str
    owner: str
    inflight: InflightRefresh
    record: TokenRecord | None
    early: bool
    started: float
    settled: bool = False

    def has_to_be_kept(self, row: TokenRecord) -> bool:
        """Tell whether a result that comes late must be stored, so that a login is not lost."""
        return self.record is None and row.refresh_token is None

    def has_changed(self, row: TokenRecord, refreshed: TokenRecord) -> bool:
        """Tell whether somebody else has refreshed the row since the claim was made.

        The expiry does not tell: whoever was stopped works it out when it goes on.
        """
        before = None if self.record is None else self.record.access_token
        return row.access_token not in (None, before, refreshed.access_token)


class LookupResult(NamedTuple):
    """What a lookup hands out.

    Attributes:
        record: The token, ``None`` if there is none yet.
        claim: If the caller is to refresh it, or to log in.
    """

    record: TokenRecord | None
    claim: RefreshClaim | None = None


def credential_digest(token: TokenRecord, digest: Digest = digest) -> str:
    """Return the digest of what the SDK will ask Zoho for an access token with."""
    if token.refresh_token is not None:
        return digest("refresh", token.refresh_token)
    return digest("grant", token.grant_token or "")
