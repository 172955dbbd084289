"""MariaDB, which is MySQL in everything that the store uses."""

from typing import Final

from zoho_tokenstore.database.dialects.mysql import MySQL

__all__ = ["BACKEND"]

BACKEND: Final = MySQL()
