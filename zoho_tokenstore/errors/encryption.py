"""Errors of keys and encrypted tokens."""

from zoho_tokenstore.errors.tokens import TokenStoreError

__all__ = [
    "DamagedRowError",
    "DecryptionError",
    "EncryptionError",
    "IndexKeyError",
    "MissingKeyError",
    "NotEncryptedError",
    "RetiredKeyError",
]


class EncryptionError(TokenStoreError):
    """A stored value cannot be read with the keys of the keyring."""


class MissingKeyError(EncryptionError):
    """The keyring is missing keys used by this table.

    Attributes:
        key_ids: Ids of the keys that are missing or differ from those of the table.
    """

    def __init__(self, message: str, key_ids: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.key_ids = key_ids


class IndexKeyError(EncryptionError):
    """The key table does not have the index key that encrypted rows are found by."""


class RetiredKeyError(EncryptionError):
    """The first key of the keyring was rotated out and encrypts nothing any more."""


class DecryptionError(EncryptionError):
    """A stored token was changed, was moved from another place or needs an unknown key.

    Attributes:
        token_ids: Ids of the affected tokens.
        user_name: The user that the row names, ``None`` without one.
    """

    def __init__(
        self, message: str, token_ids: tuple[str, ...] = (), user_name: str | None = None
    ) -> None:
        super().__init__(message)
        self.token_ids = token_ids
        self.user_name = user_name


class DamagedRowError(DecryptionError):
    """A stored token has a value of another type than its column, such as an expiry of letters."""


class NotEncryptedError(DecryptionError):
    """A stored token is readable, and the store has a keyring, so that it is not served."""
