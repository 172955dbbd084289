"""The warnings."""

__all__ = [
    "PlaceholderIdWarning",
    "ReadableKeysWarning",
    "ReadableSecretsWarning",
    "SharedInitializerWarning",
    "UnencryptedConnectionWarning",
]


class UnencryptedConnectionWarning(UserWarning):
    """The connection to a database on another host is not encrypted."""


class ReadableKeysWarning(UserWarning):
    """Every user of the machine can read the file with the encryption keys."""


class ReadableSecretsWarning(UserWarning):
    """Tokens and client secrets are stored unencrypted, or served although they are."""


class PlaceholderIdWarning(UserWarning):
    """A token is saved under an id that the SDK's samples have in every token."""


class SharedInitializerWarning(UserWarning):
    """Several threads use different users through the SDK's one initializer."""
