"""What an application has added to our tables, told apart from what the store cannot work with."""

from typing import Any

from zoho_tokenstore.database.database import Database
from zoho_tokenstore.errors import MigrationError
from zoho_tokenstore.schema.migrations import check
from zoho_tokenstore.schema.state import TokenSchema

__all__ = ["added_by_others"]


def added_by_others(database: Database, schema: TokenSchema) -> list[str]:
    """Return the columns and indexes of our tables that are not from this release.

    Raises:
        MigrationError: The tables differ from the model otherwise, or an addition can make the
            store's writes fail: a unique index, or a column that must not be null.
    """
    try:
        check(database, schema)
    except MigrationError as error:
        found = getattr(error.__cause__, "diffs", [None])
        if not all(_is_harmless(difference) for difference in found):
            raise
        return [_named(difference) for difference in found]
    return []


def _is_harmless(difference: Any) -> bool:  # noqa: ANN401 - a tuple of Alembic's, or a list of them
    if not isinstance(difference, tuple):
        return False
    kind, *objects = difference
    if kind == "remove_column":
        column = objects[-1]
        return bool(column.nullable or column.server_default is not None)
    return kind == "remove_index" and not objects[0].unique


def _named(difference: tuple[Any, ...]) -> str:
    return f"{difference[0].removeprefix('remove_')} {difference[-1].name}"
