"""The tables, their revisions, and Alembic.

Attributes:
    include_name_hook: See :mod:`zoho_tokenstore.schema.autogenerate`.
    run_revisions: See :mod:`zoho_tokenstore.schema.host_revisions`.
"""

from typing import TYPE_CHECKING

from zoho_tokenstore.schema.autogenerate import include_name_hook

if TYPE_CHECKING:
    from zoho_tokenstore.schema.host_revisions import run_revisions

__all__ = ["include_name_hook", "run_revisions"]


def __getattr__(name: str) -> object:
    if name != "run_revisions":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Alembic takes a tenth of a second to import, and the store rarely needs it.
    from zoho_tokenstore.schema.host_revisions import run_revisions  # noqa: PLC0415 - see above

    return run_revisions
