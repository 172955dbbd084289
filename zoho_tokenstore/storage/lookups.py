"""The statements that find rows, built once for each table, and the row that they mean."""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Column,
    Select,
    Table,
    Text,
    bindparam,
    func,
    or_,
    select,
)

from zoho_tokenstore.database.compiled import CompiledStatement, fetch_all
from zoho_tokenstore.encryption.codec import RowCodec
from zoho_tokenstore.errors import DecryptionError
from zoho_tokenstore.storage.batches import PAGE_SIZE
from zoho_tokenstore.storage.retention import Retention
from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS, Digest
from zoho_tokenstore.tokens.matching import Rule, find_one
from zoho_tokenstore.tokens.record import FIELDS, SECRET_FIELDS, TokenRecord

__all__ = ["Lookup", "LookupStatements", "find_despite"]

DIGEST_PARAMETERS: Final = ("digest_0", "digest_1")
"""Parameters of the digests that a row may have: a keyed one, and a plain one."""


def _unpack(row: Sequence[Any]) -> list[Any]:
    columns: list[Any] = json.loads(row[0])
    return columns


class Lookup(NamedTuple):
    """One statement that finds rows by a field."""

    found: CompiledStatement[list[Any]]
    """The rows that may be served, packed if the backend packs rows."""

    outdated: Select[Any] | None
    """The rows that are too old to be served, ``None`` if none ever is."""

    digests: tuple[tuple[str, Digest], ...]
    """The statement's parameters, each with the function that computes it."""


class LookupStatements:
    """The statements that find the rows of one token table.

    Args:
        table: The token table.
        codec: Decodes rows and computes digests.
        packs_rows: Whether a row is read as one JSON array.
        retention: Which rows may be served; all of them without it.

    Attributes:
        by_field: The lookups by each field, each made only if those before it find nothing.
        first_page: The first rows in the order of their keys; each row ends with its key.
        next_page: The rows after the key ``after``.
        by_keys: The rows with the keys ``keys``, served or not.
        unpack: Turns a row that was found into its columns, ``None`` if it needs no turning.
    """

    def __init__(
        self, table: Table, codec: RowCodec, *, packs_rows: bool, retention: Retention | None
    ) -> None:
        """Build the statements."""
        # Columns instead of entities: loading an entity costs more than the query itself.
        columns = [table.c[name] for name in codec.columns]
        rows = select(*columns)
        found = select(func.json_array(*columns, type_=Text)) if packs_rows else rows
        fresh = () if retention is None else retention.fresh
        self.unpack = _unpack if packs_rows else None

        def lookup(column: Column[Any], makers: Sequence[Digest]) -> Lookup:
            match = or_(*(column == bindparam(name) for name in DIGEST_PARAMETERS[: len(makers)]))
            return Lookup(
                CompiledStatement(found.where(match, *fresh), fetch_all),
                None if retention is None else rows.where(match, retention.outdated),
                tuple(zip(DIGEST_PARAMETERS, makers, strict=False)),
            )

        self.by_field: dict[str, tuple[Lookup, ...]] = {}
        for field, column in DIGEST_COLUMNS.items():
            digests = codec.lookup_digests(field)
            # A readable row that is not to be served is worth a second statement to say so.
            steps = [digests] if codec.serves_readable else [(one,) for one in digests]
            self.by_field[field] = tuple(lookup(table.c[column], makers) for makers in steps)
        key = table.c.id_digest
        self.first_page = rows.add_columns(key).where(*fresh).order_by(key).limit(PAGE_SIZE)
        self.by_keys = rows.add_columns(key).where(key.in_(bindparam("keys", expanding=True)))
        self.next_page = self.first_page.where(key > bindparam("after"))


def find_despite(
    rule: Rule, token: TokenRecord, rows: Sequence[Sequence[Any]], codec: RowCodec
) -> TokenRecord | None:
    """Return the only row that fits, among rows of which at least one cannot be read.

    Raises:
        AmbiguousTokenError: More than one row fits.
        DecryptionError: A row that cannot be read fits as far as can be told, or no other does.
    """
    readable: list[TokenRecord] = []
    errors: list[DecryptionError] = []
    fits = False
    for row in rows:
        try:
            readable.append(codec.decode_row(row))
        except DecryptionError as error:
            errors.append(error)
            # The row was found by its digest, so only what is readable can tell it from others.
            fits = fits or rule.fits(token, _as_found(rule, token, row))
    found = find_one(rule, token, readable)
    if errors and (fits or found is None):
        raise errors[0]
    return found


def _as_found(rule: Rule, token: TokenRecord, row: Sequence[Any]) -> TokenRecord:
    names = TokenRecord(*row[: FIELDS.index("client_id") + 1])
    if rule.field in SECRET_FIELDS:
        names = names._replace(**{rule.field: getattr(token, rule.field)})
    return names
