"""The lease table: one read, and one compare-and-set."""

from sqlalchemy import Table, bindparam, delete, insert, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from zoho_tokenstore.database.clock import ClockSkew, epoch_milliseconds
from zoho_tokenstore.database.database import Database
from zoho_tokenstore.refresh.lease import Lease

__all__ = ["LeaseTable", "SharedLeases"]


class LeaseTable:
    """The statements of one lease table, in a session that the caller opened.

    Args:
        table: A table made by :func:`zoho_tokenstore.schema.models.companion_table`.
    """

    def __init__(self, table: Table) -> None:
        """Build the statements once."""
        c = table.c
        now = select(epoch_milliseconds().label("now")).subquery()
        mine = select(table).where(c.key_digest == bindparam("key")).subquery()
        self._read = select(now.c.now, *(mine.c[name] for name in Lease._fields)).select_from(
            now.outerjoin(mine, true())
        )
        self._insert = insert(table)
        self._update = (
            update(table)
            .where(c.key_digest == bindparam("key"), c.version == bindparam("seen"))
            .values({name: bindparam(f"new_{name}") for name in Lease._fields})
        )
        self._delete = delete(table).where(c.key_digest.in_(bindparam("keys", expanding=True)))
        self._delete_all = delete(table)

    def read_lease(self, session: Session, key: str) -> tuple[Lease, int]:
        """Return the lease, an empty one if none is stored, and the database's time."""
        now, *fields = session.execute(self._read, {"key": key}).one()
        lease = Lease._make(fields)
        if lease.version is None:
            return Lease(), now
        starts = tuple(int(start) for start in (fields[4] or "").split())
        return lease._replace(starts=starts), now

    def write_lease(self, session: Session, key: str, lease: Lease) -> bool:
        """Store the successor of the lease that was read, unless another worker was faster."""
        values = lease._asdict() | {"starts": " ".join(str(start) for start in lease.starts)}
        connection = session.connection()
        if lease.version > 1:
            changes = {f"new_{name}": value for name, value in values.items()}
            parameters = {"key": key, "seen": lease.version - 1} | changes
            return connection.execute(self._update, parameters).rowcount == 1
        try:
            connection.execute(self._insert, {"key_digest": key} | values)
        except IntegrityError:
            return False
        return True

    def delete_leases(self, session: Session, *keys: str) -> None:
        """Delete leases."""
        session.execute(self._delete, {"keys": keys})

    def delete_all_leases(self, session: Session) -> None:
        """Delete all leases."""
        session.execute(self._delete_all)


class SharedLeases:
    """The leases as all workers on one database share them.

    Args:
        database: The database.
        table: The statements.
        skew: Measured anew with each lease that is read.
    """

    def __init__(self, database: Database, table: LeaseTable, skew: ClockSkew) -> None:
        """Open nothing yet."""
        self._database = database
        self._table = table
        self._skew = skew

    def read_lease(self, key: str) -> tuple[Lease, int]:
        """Return a lease, and the database's time in epoch milliseconds."""
        lease, now = self._database.read(self._table.read_lease, key)
        self._skew.measure(now)
        return lease, now

    def write_lease(self, key: str, lease: Lease) -> bool:
        """Store the successor of the lease that was read, unless another worker was faster."""
        return self._database.read(self._table.write_lease, key, lease)
