"""The token tables in the autogenerate of an application's own Alembic."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from sqlalchemy import MetaData

from zoho_tokenstore.schema.models import DEFAULT_TABLE
from zoho_tokenstore.schema.state import TokenSchema

__all__ = ["include_name_hook"]

IncludeName: TypeAlias = Callable[[str | None, str, Mapping[str, Any]], bool]


def include_name_hook(
    target_metadata: MetaData | Iterable[MetaData] | None = None,
    *,
    table: str = DEFAULT_TABLE,
    schema: str | None = None,
    include_name: IncludeName | None = None,
) -> IncludeName:
    """Return an ``include_name`` for ``context.configure`` that keeps autogenerate off our tables.

    Of the token table, its companions and its version table, autogenerate compares those in
    ``target_metadata`` and never drops the others.

    Args:
        target_metadata: The application's, as passed to ``context.configure``.
        table: Name of the token table.
        schema: Schema of the token table, ``None`` for the connection's default.
        include_name: The application's own hook, which is asked about all other names.

    Raises:
        ConfigurationError: A name is invalid.
    """
    names = TokenSchema(table, schema)
    # Servers on case-insensitive file systems may store names in lower case.
    ours = {name.lower() for name in (names.version_table, *(each.name for each in names.tables))}
    many = (target_metadata,) if isinstance(target_metadata, MetaData) else target_metadata or ()
    compared = {each.name.lower() for metadata in many for each in metadata.tables.values()} & ours

    def hook(name: str | None, kind: str, parents: Mapping[str, Any]) -> bool:
        # The default schema is None here, whether or not the store calls it by its name.
        here = kind == "table" and parents.get("schema_name") in (None, schema)
        if here and name is not None and name.lower() in ours:
            return name.lower() in compared
        return include_name is None or include_name(name, kind, parents)

    return hook
