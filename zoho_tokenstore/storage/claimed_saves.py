"""Saving a token that was refreshed with a claim: its lease is settled in the same transaction."""

from sqlalchemy.orm import Session

from zoho_tokenstore.database.clock import ClockSkew
from zoho_tokenstore.refresh.inflight import RefreshClaim, credential_digest
from zoho_tokenstore.refresh.lease import is_late, lease_after_login, settle_lease
from zoho_tokenstore.storage.tables import TokenTables
from zoho_tokenstore.tokens.digests import digest
from zoho_tokenstore.tokens.record import TokenRecord

__all__ = ["save_claimed"]


def save_claimed(
    session: Session, tables: TokenTables, skew: ClockSkew, token: TokenRecord, claim: RefreshClaim
) -> tuple[str, TokenRecord | None]:
    """Save a refreshed token and settle its claim, unless a newer token is stored already.

    A token that was deleted in the meantime stays deleted; the worker may use what Zoho gave it.

    Args:
        session: The transaction.
        tables: Where to save.
        skew: From this host's clock to the database's.
        token: The refreshed token, its expiry by this host's clock.
        claim: The claim that allowed the refresh.

    Returns:
        The row's id, and the newer token that is stored instead, by this host's clock.
    """
    stored = skew.to_database(token)
    newer = None
    if not _settle_unchanged_lease(session, tables, claim):
        newer = _find_newer(session, tables, stored, claim)
    if newer is not None:
        if claim.has_changed(newer, stored):
            return newer.id or "", skew.to_host(newer)
        return newer.id or "", token.with_id(newer.id)
    key = tables.tokens.refresh_row(session, stored)
    if key is None and claim.record is not None and _is_gone(session, tables, claim.record):
        return claim.record.id or "", None
    key = key or tables.tokens.upsert_row(session, stored)
    if claim.is_login:
        tables.leases.delete_leases(session, claim.key)
        _record_login(session, tables, key, stored, claim)
    return key, None


def _is_gone(session: Session, tables: TokenTables, refreshed: TokenRecord) -> bool:
    """Return whether a token was deleted during its refresh, and must not come back."""
    return not tables.tokens.read_rows(session, [refreshed.id or ""])


def _settle_unchanged_lease(session: Session, tables: TokenTables, claim: RefreshClaim) -> bool:
    """Settle the lease of a refresh without reading it, unless it has changed since."""
    settled = None if claim.is_login else settle_lease(claim.lease, claim.owner)
    return settled is not None and tables.leases.write_lease(session, claim.key, settled)


def _find_newer(
    session: Session, tables: TokenTables, token: TokenRecord, claim: RefreshClaim
) -> TokenRecord | None:
    """Settle a lease that has changed; return the row that must not be overwritten."""
    lease, _ = tables.leases.read_lease(session, claim.key)
    if not is_late(lease, claim.owner):
        if not claim.is_login and (settled := settle_lease(lease, claim.owner)):
            tables.leases.write_lease(session, claim.key, settled)
        return None
    wanted = TokenRecord(id=token.id) if token.id else token
    row = tables.tokens.find_row(session, wanted)
    return None if row is None or claim.is_needed_by(row) else row


def _record_login(
    session: Session, tables: TokenTables, key: str, token: TokenRecord, claim: RefreshClaim
) -> None:
    """Count the access token of a login, so that it is not refreshed early at once."""
    row = digest("id", key)
    lease, now = tables.leases.read_lease(session, row)
    credential = credential_digest(token, tables.codec.digest, claim.server)
    tables.leases.write_lease(
        session, row, lease_after_login(lease, now, owner=claim.owner, credential=credential)
    )
