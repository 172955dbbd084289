"""SQL Server: its clock, for scripts; it has not been tested against a server."""

from typing import ClassVar, Final

from zoho_tokenstore.database.dialects.backend import Backend

__all__ = ["BACKEND"]


class SQLServer(Backend):
    """A database with a clock of its own spelling."""

    epoch_milliseconds: ClassVar[str] = "DATEDIFF_BIG(MILLISECOND, '1970-01-01', SYSUTCDATETIME())"


BACKEND: Final = SQLServer()
