"""The methods that an SDK calls, over any place that keeps records.

The words of the contract stand here, once: stores inherit them and say only how they keep records.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from itertools import islice
from typing import Any, Literal, TypeVar, cast

from zoho_tokenstore.errors import ConfigurationError, TokenStoreError, UnknownIdError
from zoho_tokenstore.matching import check_storable, completion
from zoho_tokenstore.repository import BATCH_SIZE
from zoho_tokenstore.sdk.binding import load
from zoho_tokenstore.token import TokenRecord, check_id

__all__ = ["SDKTokenStore"]

F = TypeVar("F", bound=Callable[..., Any])


def _raises_sdk_exception(method: F) -> F:
    """Make a method that the SDK calls raise the SDK's own error, ours as its cause."""

    @wraps(method)
    def call(self: "SDKTokenStore", *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the method
        try:
            return method(self, *args, **kwargs)
        except TokenStoreError as error:
            raise self._sdk.error(method.__name__, error) from error

    return cast("F", call)


class SDKTokenStore(ABC):
    """A token store as Zoho's SDKs want it, registered as their ``TokenStore``.

    Every method is safe to call from many threads. A method that the SDK calls raises its
    ``SDKException`` with code ``TOKEN_STORE``; the :class:`TokenStoreError` that tells more is its
    ``cause``. The other methods raise that error itself.

    Args:
        missing_id: What :meth:`find_token_by_id` does about an unknown id: ``"none"`` returns
            ``None``, ``"raise"`` raises the SDK's own error, as releases before 8-0 7.0.0 need.

    Raises:
        MissingSDKError: No SDK is installed.
        ConfigurationError: ``missing_id`` is neither.
    """

    def __init__(self, *, missing_id: Literal["none", "raise"] = "none") -> None:
        """Bind the installed SDK."""
        if missing_id not in ("none", "raise"):
            raise ConfigurationError(f"missing_id must be 'none' or 'raise', not {missing_id!r}")
        self._missing_id = missing_id
        self._sdk = load()
        self._sdk.register(type(self))

    @_raises_sdk_exception
    def find_token(self, token: Any) -> Any:  # noqa: ANN401 - the SDK's token has no types
        """Complete a token with what is stored of it.

        The first of these that the token has decides which stored token it is: user name; access
        token (when it has no client id and no client secret); grant token; refresh token; id. A
        client id narrows the choice.

        Args:
            token: The SDK's ``OAuthToken``; it is filled in place. What the caller set stays, but
                a stored access token that expires later replaces the caller's, with its expiry.

        Returns:
            The same object, or ``None`` when nothing is stored of it.

        Raises:
            SDKException: More than one stored token fits, the token is none of the SDK's or holds
                something that cannot be looked up, or the database failed.
        """
        wanted = self._sdk.read(token)
        found = self._find(wanted)
        if found is None:
            return None
        self._sdk.fill(token, completion(wanted, found))
        return token

    @_raises_sdk_exception
    def find_token_by_id(self, id: str) -> Any:  # noqa: A002, ANN401 - the SDK's own name and type
        """Return the token that is stored under an id.

        Args:
            id: The id that a save has set on the token.

        Returns:
            A new ``OAuthToken``, or ``None`` for an unknown id (see ``missing_id``).

        Raises:
            SDKException: The id is not text, or the database failed.
        """
        key = check_id(id)
        found = self._find(TokenRecord(id=key)) if key else None
        if found is not None:
            return self._sdk.build(found)
        if self._missing_id == "raise":
            raise UnknownIdError(f"no token is stored under the id {id!r}")
        return None

    @_raises_sdk_exception
    def save_token(self, token: Any) -> None:  # noqa: ANN401 - the SDK's token has no types
        """Store a token: update the stored one that it speaks of, or insert it.

        An update changes the fields that the token has and keeps the others. A stored token without
        a user that holds the same grant or refresh token becomes this user's. After the commit the
        token's id is set.

        Args:
            token: The SDK's ``OAuthToken``, with at least one of access, refresh and grant token.

        Raises:
            SDKException: There is nothing to store, a field is garbage, more than one stored token
                fits, the id belongs to another user's token, or the database failed. Nothing was
                stored then; after a :class:`DatabaseUnavailableError` save again to be sure.
        """
        self._save_batch([token])

    @_raises_sdk_exception
    def delete_token(self, id: str) -> None:  # noqa: A002 - the SDK's own name
        """Delete the token with this id; an unknown id changes nothing.

        Args:
            id: The id that a save has set on the token.

        Raises:
            SDKException: The id is not text, or the database failed.
        """
        if key := check_id(id):
            self._delete(key)

    @_raises_sdk_exception
    def get_tokens(self) -> list[Any]:
        """Return all stored tokens; the SDK can be initialised with each of them.

        Raises:
            SDKException: The database failed.
        """
        return list(self.iter_tokens())

    @_raises_sdk_exception
    def delete_tokens(self) -> None:
        """Delete all stored tokens, in one transaction.

        Raises:
            SDKException: The database failed; nothing was deleted.
        """
        self._delete_all()

    def save_tokens(self, tokens: Iterable[Any]) -> None:
        """Store many tokens as :meth:`save_token` does, a transaction for every 4,000 of them.

        Args:
            tokens: Tokens of the SDK; an iterator is read batch by batch.

        Raises:
            TokenStoreError: As in :meth:`save_token`. The batches before are stored, of this one
                nothing is.
        """
        iterator = iter(tokens)
        while batch := list(islice(iterator, BATCH_SIZE)):
            self._save_batch(batch)

    def iter_tokens(self) -> Iterator[Any]:
        """Yield all stored tokens, holding no more than a page of them in memory.

        A token that is stored all the while is yielded once; one saved or deleted meanwhile may or
        may not be.

        Raises:
            TokenStoreError: The database failed.
        """
        return map(self._sdk.build, self._all())

    def _save_batch(self, tokens: Sequence[Any]) -> None:
        records = [self._sdk.read(token) for token in tokens]
        for record in records:
            check_storable(record)
        keys = self._save(records)
        for token, key in zip(tokens, keys, strict=True):
            self._sdk.fill(token, {"id": key})

    @abstractmethod
    def _find(self, token: TokenRecord) -> TokenRecord | None:
        """Return the record that the token speaks of."""

    @abstractmethod
    def _save(self, tokens: Sequence[TokenRecord]) -> list[str]:
        """Upsert the tokens, all or none; return the ids of their records."""

    @abstractmethod
    def _delete(self, key: str) -> None:
        """Delete the record with this id, if there is one."""

    @abstractmethod
    def _delete_all(self) -> None:
        """Delete every record."""

    @abstractmethod
    def _all(self) -> Iterator[TokenRecord]:
        """Yield every record."""
