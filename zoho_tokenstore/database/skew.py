"""How far this host's clock is from the database's, so that an expiry means the same everywhere."""

import time
from typing import Final

from zoho_tokenstore.tokens.record import MAX_EXPIRY, TokenRecord

__all__ = ["ClockSkew"]

TOLERANCE: Final = 30_000
"""Milliseconds that are put down to a slow answer, or do not matter for a token of an hour."""

DRIFT: Final = 1_000
"""Milliseconds by which two measurements may differ without the first being given up."""


class ClockSkew:
    """The difference between two clocks, taken into account when it is large.

    The SDKs work out the expiry with the clock of the host that they run on. What is stored is by
    the database's clock; on a host whose clock is wrong it is translated on the way.

    Attributes:
        milliseconds: How much later it is on this host, 0 within the tolerance.
    """

    def __init__(self) -> None:
        """Trust the host's clock until it has been compared."""
        self.milliseconds = 0

    def measure(self, database_time: int) -> None:
        """Compare the clocks.

        Args:
            database_time: The database's time just now, in epoch milliseconds.
        """
        difference = int(time.time() * 1000) - database_time
        if abs(difference) <= TOLERANCE:
            self.milliseconds = 0
        elif abs(difference - self.milliseconds) > DRIFT:
            self.milliseconds = difference

    def to_host(self, token: TokenRecord) -> TokenRecord:
        """Return a stored token with its expiry by this host's clock."""
        return self._shifted(token, self.milliseconds)

    def to_database(self, token: TokenRecord) -> TokenRecord:
        """Return a token of this host with its expiry by the database's clock."""
        return self._shifted(token, -self.milliseconds)

    @staticmethod
    def _shifted(token: TokenRecord, milliseconds: int) -> TokenRecord:
        if not milliseconds or token.expiry is None:
            return token
        return token._replace(expiry=min(max(token.expiry + milliseconds, 0), MAX_EXPIRY))
