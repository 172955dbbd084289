"""SQL Server: its types and its clock, for scripts; it has not been tested against a server."""

from typing import ClassVar, Final

from sqlalchemy.dialects.mssql import NVARCHAR
from sqlalchemy.types import TypeEngine

from zoho_tokenstore.database.dialects.backend import Backend

__all__ = ["BACKEND"]


class SQLServer(Backend):
    """Unicode text without NTEXT, which is deprecated."""

    long_text: ClassVar[TypeEngine[str]] = NVARCHAR()
    epoch_milliseconds: ClassVar[str] = "DATEDIFF_BIG(MILLISECOND, '1970-01-01', SYSUTCDATETIME())"


BACKEND: Final = SQLServer()
