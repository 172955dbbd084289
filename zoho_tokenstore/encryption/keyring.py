"""Encryption keys: their text form, their source, and the key that encrypts."""

import base64
import binascii
import os
import re
import stat
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Final, Self

from zoho_tokenstore.errors import BadKeyError, ConfigurationError, ReadableKeysWarning

__all__ = ["KEY_ID_LENGTH", "Key", "Keyring"]

KEY_LENGTH: Final = 32
"""Bytes: AES-256."""

KEY_ID_LENGTH: Final = 32
"""Characters at most."""

FETCH_PAUSE: Final = 10.0
"""Seconds between two looks for new keys."""

_ID: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{KEY_ID_LENGTH - 1}}}")
_SEPARATOR: Final = re.compile(r"[,\s]+")
_COMMENT: Final = re.compile("#.*")


@dataclass(frozen=True, slots=True)
class Key:
    """One encryption key.

    Attributes:
        id: Its name in the database; not secret.
        secret: Its 32 bytes.
    """

    id: str
    secret: bytes = field(repr=False)


class Keyring:
    """The keys of a store: the first encrypts, all of them decrypt.

    Create it with :meth:`from_text`, :meth:`from_file` or :meth:`from_callable`. The latter two
    read the keys again, at most every ten seconds, when no key fits a stored value: an appended key
    needs no restart. The key that encrypts stays the same until a restart.
    """

    def __init__(self, keys: Sequence[Key], fetch: Callable[[], str] | None = None) -> None:
        """Take keys that have been checked."""
        self._keys = {key.id: key for key in keys}
        self._fetch = fetch
        self._fetched = time.monotonic()
        self.first: Final = keys[0]

    @staticmethod
    def generate_key() -> str:
        """Return a new key as text: ``<key id>:<base64url of 32 random bytes>``.

        The id begins with the date (UTC), so that it tells which key is the older one.
        """
        key_id = f"{datetime.now(UTC):%Y%m%d}-{token_hex(3)}"
        return f"{key_id}:{base64.urlsafe_b64encode(token_bytes(KEY_LENGTH)).rstrip(b'=').decode()}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read keys as :meth:`generate_key` writes them, separated by commas or white space.

        Text from ``#`` to the end of its line is a comment.

        Raises:
            BadKeyError: The text has no key or an invalid one; the error names its position.
        """
        keys, problem = _parse(text)
        if problem:
            text, keys = "", []  # whatever shows a traceback's local variables would show them
            raise BadKeyError(problem)
        return cls(keys)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read keys from a file that other users cannot change.

        A ``ReadableKeysWarning`` is issued for a file that every user can read, as Docker's secrets
        are.

        Raises:
            BadKeyError: As from :meth:`from_text`.
            ConfigurationError: The file cannot be read, or other users can change it.
        """
        file = Path(path)
        keyring = cls.from_callable(partial(_text_of, file))
        if os.name == "posix" and file.stat().st_mode & stat.S_IROTH:
            warnings.warn(
                f"key file {file} is readable by every user: run chmod o-r {file}",
                ReadableKeysWarning,
                stacklevel=2,
            )
        return keyring

    @classmethod
    def from_callable(cls, fetch: Callable[[], str]) -> Self:
        """Read keys that a function returns, such as one that asks a secrets manager.

        Raises:
            BadKeyError: As from :meth:`from_text`.
            Exception: Raised by the function.
        """
        return cls(_fetched(fetch), fetch)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys; the first one's is first."""
        return tuple(self._keys)

    def get(self, key_id: str) -> Key | None:
        """Return a key, read again from the source if it is not known yet."""
        if key_id not in self._keys and self._fetch is not None:
            now = time.monotonic()
            if not 0 <= now - self._fetched < FETCH_PAUSE:  # a pickle's clock was another one
                self._fetched = now
                self._keys |= {key.id: key for key in _fetched(self._fetch)}
        return self._keys.get(key_id)

    def __repr__(self) -> str:
        """Show the ids of the keys, never the keys."""
        return f"{type(self).__name__}({', '.join(self._keys)})"


def _fetched(fetch: Callable[[], str]) -> list[Key]:
    keys, problem = _parse(fetch())
    if problem:
        keys = []
        raise BadKeyError(problem)
    return keys


def _parse(text: object) -> tuple[list[Key], str | None]:
    """Return the keys, or what is wrong with their text."""
    if not isinstance(text, str):
        return [], f"encryption keys are not text but {type(text).__name__}: pass text"
    parts = [part for part in _SEPARATOR.split(_COMMENT.sub("", text)) if part]
    if not parts:
        return [], "encryption key missing: create one with 'zoho-tokenstore keys generate'"
    keys: list[Key] = []
    for number, part in enumerate(parts, start=1):
        key = _key(part)
        if isinstance(key, str):
            return [], f"encryption key {number} of {len(parts)} {key}"
        for other, known in enumerate(islice(keys, number - 1), start=1):
            if known.id == key.id or known.secret == key.secret:
                same = "the id" if known.id == key.id else "the bytes"
                return [], f"encryption key {number} of {len(parts)} has {same} of key {other}"
        keys.append(key)
    return keys, None


def _key(text: str) -> Key | str:
    """Return a key, or what is wrong with it."""
    key_id, colon, encoded = text.partition(":")
    if not colon:
        return "has no ':' between its id and its bytes: write it like 'id:base64url'"
    if not _ID.fullmatch(key_id):
        return f"has an id that is not 1 to {KEY_ID_LENGTH} letters, digits, '.', '_' or '-'"
    try:
        padded = encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4)
        secret = base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return "is not base64url after its id"
    if len(secret) != KEY_LENGTH:
        return f"has {len(secret)} bytes instead of {KEY_LENGTH}"
    return Key(key_id, secret)


def _text_of(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            mode = os.fstat(file.fileno()).st_mode
            # Not who can read it: platforms mount secrets that a group or everyone can read.
            if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise ConfigurationError(
                    f"key file {path} can be changed by other users: run chmod go-w {path}"
                )
            return file.read()
    except UnicodeDecodeError:
        # From None: the codec's error carries the whole content.
        raise BadKeyError(
            f"key file {path} is not text: write keys of 'zoho-tokenstore keys generate' to it"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"key file {path} is not readable: {error.strerror}") from error
