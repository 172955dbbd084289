"""What differs between databases: one module for each, found by SQLAlchemy's name for it."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from sqlalchemy import URL

from zoho_tokenstore.database.dialects.backend import Backend

__all__ = ["Backend", "backend_named", "backend_of"]


@cache
def backend_named(name: str) -> Backend:
    """Return the backend for SQLAlchemy's name of a database; standard SQL for unknown ones."""
    module = f"{__name__}.{name}"
    if not name.isidentifier() or find_spec(module) is None:
        return Backend()
    backend: Backend = import_module(module).BACKEND
    return backend


def backend_of(url: URL) -> Backend:
    """Return the backend for a database URL."""
    return backend_named(url.get_backend_name())
