"""Oracle: its types and its clock, for scripts; it has not been tested against a server."""

from typing import Any, ClassVar, Final

from sqlalchemy import TIMESTAMP
from sqlalchemy.types import TypeEngine

from zoho_tokenstore.database.dialects.backend import Backend

__all__ = ["BACKEND"]

SINCE_EPOCH: Final = "SYS_EXTRACT_UTC(SYSTIMESTAMP) - TIMESTAMP '1970-01-01 00:00:00'"


def _elapsed(unit: str) -> str:
    return f"EXTRACT({unit} FROM ({SINCE_EPOCH}))"


class Oracle(Backend):
    """Timestamps with microseconds, which DATE has not."""

    timestamp: ClassVar[TypeEngine[Any]] = TIMESTAMP(timezone=True)
    # A script has no variable that the key could be returned into.
    version_table_pk: ClassVar[bool] = False
    epoch_milliseconds: ClassVar[str] = (
        f"TRUNC(({_elapsed('DAY')} * 86400 + {_elapsed('HOUR')} * 3600"
        f" + {_elapsed('MINUTE')} * 60 + {_elapsed('SECOND')}) * 1000)"
    )


BACKEND: Final = Oracle()
