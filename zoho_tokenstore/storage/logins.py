"""Which stored logins need the user: those that Zoho has refused, or that cannot be refreshed."""

from collections.abc import Mapping

from sqlalchemy import Table, select

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.encryption.codec import RowCodec
from zoho_tokenstore.errors import DecryptionError
from zoho_tokenstore.refresh.inflight import credential_digest
from zoho_tokenstore.refresh.lease import PERMANENT
from zoho_tokenstore.schema.models import lease_table
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["needs_login", "refused_logins"]


def refused_logins(database: Database, tokens: Table, codec: RowCodec) -> dict[str, str]:
    """Return the ids of tokens whose login Zoho has refused for good, with Zoho's error code.

    A user who has logged in again since is none of them. Nor is a token that cannot be decrypted.

    Raises:
        DatabaseError: The database failed.
    """
    leases = lease_table(tokens)
    failed = (
        select(leases.c.failure, leases.c.credential, *(tokens.c[name] for name in codec.columns))
        .join_from(leases, tokens, leases.c.key_digest == tokens.c.id_digest)
        .where(leases.c.failure.in_(sorted(PERMANENT)))
    )
    refused: dict[str, str] = {}
    for failure, credential, *row in database.read(lambda s: s.execute(failed).all()):
        try:
            record = codec.record(row)
        except DecryptionError:
            continue
        if record.id is not None and credential == credential_digest(record, codec.digest):
            refused[record.id] = failure
    return refused


def needs_login(token: TokenRecord, now: int, refused: Mapping[str, str]) -> bool:
    """Tell whether only the user can bring this login back.

    Args:
        token: A stored token.
        now: The time, in epoch milliseconds.
        refused: What :func:`refused_logins` has returned.
    """
    if (token.id or "") in refused:
        return True
    if token.refresh_token is not None or token.expiry is None:
        return False
    return token.access_token is not None and token.expiry <= now
