"""The SDKs' objects, for signatures: the SDKs are published without types."""

from typing import Any, TypeAlias

__all__ = ["SDKClass", "SDKEnvironment", "SDKInitializer", "SDKToken", "SDKUser"]

SDKToken: TypeAlias = Any
"""An SDK's ``OAuthToken``."""

SDKUser: TypeAlias = Any
"""An SDK's ``UserSignature``."""

SDKClass: TypeAlias = Any
"""A class of an SDK."""

SDKInitializer: TypeAlias = Any
"""An SDK's ``Initializer``."""

SDKEnvironment: TypeAlias = Any
"""An SDK's ``Environment``, of a data center."""
