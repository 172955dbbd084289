"""The database's clock, as an expression: epoch milliseconds, whatever the session's time zone."""

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement

__all__ = ["epoch_milliseconds"]


class epoch_milliseconds(FunctionElement[int]):  # noqa: N801 - it is used as a function
    """The time at which the statement runs."""

    type = BigInteger()
    inherit_cache = True


@compiles(epoch_milliseconds)
def _standard(*_: Any, **__: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    return "CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) * 1000 AS BIGINT)"


@compiles(epoch_milliseconds, "postgresql")
def _postgresql(*_: Any, **__: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"


@compiles(epoch_milliseconds, "sqlite")
def _sqlite(*_: Any, **__: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    # unixepoch('subsec') would be shorter and needs SQLite 3.42.
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


@compiles(epoch_milliseconds, "mysql")
@compiles(epoch_milliseconds, "mariadb")
def _mysql(*_: Any, **__: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    # UNIX_TIMESTAMP() would go by the session's time zone, which repeats an hour every autumn.
    return "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000"


@compiles(epoch_milliseconds, "mssql")
def _mssql(*_: Any, **__: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    return "DATEDIFF_BIG(MILLISECOND, '1970-01-01', SYSUTCDATETIME())"


@compiles(epoch_milliseconds, "oracle")
def _oracle(*_: Any, **__: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
    since = "SYS_EXTRACT_UTC(SYSTIMESTAMP) - TIMESTAMP '1970-01-01 00:00:00'"
    days = f"EXTRACT(DAY FROM ({since})) * 86400"
    seconds = f"EXTRACT(HOUR FROM ({since})) * 3600 + EXTRACT(MINUTE FROM ({since})) * 60"
    return f"TRUNC(({days} + {seconds} + EXTRACT(SECOND FROM ({since}))) * 1000)"
