"""Token ids as operators write them: whole, or their first characters."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Select, Table, func, select
from sqlalchemy.orm import Session

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import AmbiguousTokenError, UnknownIdError
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.storage.queries import TokenQueries

__all__ = ["SHORT_ID", "complete_audited_id", "complete_ids"]

SHORT_ID: Final = 8
"""Characters of an id that tables show."""

SHORTEST_PREFIX: Final = 4
"""Characters that stand for a whole id at least."""

ELLIPSIS: Final = "…"
"""May follow the first characters, as in a text that was shortened."""

NAMED: Final = 5
"""Ids that an error names at most."""


def complete_ids(database: Database, tokens: Table, written: Sequence[str]) -> list[str]:
    """Return the ids of stored tokens that are written whole, or by their first characters.

    Args:
        database: Database of the table.
        tokens: Token table.
        written: Ids, or the first characters of ids, four at least.

    Raises:
        UnknownIdError: No stored id begins like this.
        AmbiguousTokenError: More than one does.
    """
    unknown = TokenQueries(database, tokens).missing_ids(written)
    found = {
        text: _ids_beginning_with(database, tokens.c.id, text) if text in unknown else [text]
        for text in written
    }
    if missing := [repr(text) for text, ids in found.items() if not ids]:
        noun = "id" if len(missing) == 1 else "ids"
        raise UnknownIdError(f"unknown token {noun} {', '.join(missing)}")
    return list(dict.fromkeys(_only_id(text, ids) for text, ids in found.items()))


def complete_audited_id(database: Database, tokens: Table, written: str) -> str:
    """Return the id that audit entries have, whether or not the token is still stored.

    Args:
        database: Database of the table.
        tokens: Token table.
        written: An id, or its first characters; returned as it is if no entry has such an id.

    Raises:
        AmbiguousTokenError: More than one id begins like this.
    """
    column = companion_table(tokens, "audit").c.token_id
    whole = _ids_where(database, column, column == written, written.__eq__)
    ids = whole or _ids_beginning_with(database, column, written)
    return _only_id(written, ids) if ids else written


def _ids_beginning_with(database: Database, column: Column[Any], text: str) -> Sequence[str]:
    prefix = text.removesuffix(ELLIPSIS)
    if len(prefix) < SHORTEST_PREFIX:
        return ()
    condition = func.substr(column, 1, len(prefix)) == prefix
    return _ids_where(database, column, condition, lambda token_id: token_id.startswith(prefix))


def _ids_where(
    database: Database,
    column: Column[Any],
    condition: ColumnElement[bool],
    fits: Callable[[str], bool],
) -> Sequence[str]:
    query = select(column).where(condition)
    # Filtered and made distinct here, because some databases ignore case.
    return list(dict.fromkeys(filter(fits, database.read(_all_of, query))))


def _all_of(session: Session, query: Select[Any]) -> Sequence[str]:
    return session.scalars(query).all()


def _only_id(text: str, ids: Sequence[str]) -> str:
    if len(ids) > 1:
        raise AmbiguousTokenError(
            f"token id {text!r} is ambiguous: pass more characters of {' or '.join(ids[:NAMED])}",
            tuple(ids),
        )
    return ids[0]
