"""The methods that an SDK calls, over any place that keeps records.

The words of the contracts stand here, once: stores inherit them and say only how they keep records.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Literal

from zoho_tokenstore.errors import (
    ConfigurationError,
    DecryptionError,
    IdConflictError,
    UnknownIdError,
)
from zoho_tokenstore.refresh.claims import LookupResult, RefreshClaim
from zoho_tokenstore.refresh.coordinator import RefreshCoordinator
from zoho_tokenstore.sdk.completion import answer, usable
from zoho_tokenstore.sdk.coordination import Keep, SDKRefreshes
from zoho_tokenstore.sdk.errors import leave_out, raise_it, raises_sdk_exception, together
from zoho_tokenstore.sdk.installed import SDKName, load
from zoho_tokenstore.storage.batches import BATCH_SIZE
from zoho_tokenstore.tokens.matching import check_storable, completion
from zoho_tokenstore.tokens.record import TokenRecord, check_id

__all__ = ["SDKTokenStore"]


class SDKTokenStore(ABC):
    """A token store as Zoho's SDKs want it, registered as the ``TokenStore`` of one of them.

    ``zohocrmsdk`` calls ``find_token``, ``find_token_by_id``, ``save_token(token)`` and
    ``delete_token(id)``; ``zcrmsdk`` calls ``get_token``, ``get_token_by_id``, ``save_token(user,
    token)`` and ``delete_token(token)``. An application may call any of them, whatever its SDK.

    Every method is safe to call from many threads. A method that the SDK calls raises its
    ``SDKException`` with code ``TOKEN_STORE``; the :class:`TokenStoreError` that tells more is its
    ``cause``. The other methods raise that error itself. Since SDKs swallow what ``save_token`` and
    ``delete_token`` raise, that is also logged by the logger ``zoho_tokenstore``.

    Args:
        missing_id: What a lookup by id does about an unknown id: ``"none"`` returns ``None``,
            ``"raise"`` raises the SDK's own error, as releases before 8-0 7.0.0 need.
        sdk: The package that the application imports; needed only where both are installed.

    Raises:
        MissingSDKError: No SDK is installed.
        ConfigurationError: ``missing_id`` or ``sdk`` is none of these.
    """

    def __init__(
        self, *, missing_id: Literal["none", "raise"] = "none", sdk: SDKName | None = None
    ) -> None:
        """Bind the installed SDK."""
        if missing_id not in ("none", "raise"):
            raise ConfigurationError(f"missing_id must be 'none' or 'raise', not {missing_id!r}")
        self._missing_id = missing_id
        self._sdk = load(sdk)
        self._turns: SDKRefreshes | None = None
        self._sdk.register(type(self))

    @raises_sdk_exception
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
        if self._turns is not None and self._turns.are_needed(wanted, found, token):
            return self._find_in_turn(self._turns, token, wanted, found)
        if found is None:
            return None
        self._sdk.fill(token, completion(wanted, found))
        return token

    @raises_sdk_exception
    def find_token_by_id(self, id: str) -> Any:  # noqa: A002, ANN401 - the SDK's own name and type
        """Return the token that is stored under an id.

        Args:
            id: The id that a save has set on the token.

        Returns:
            A new ``OAuthToken``, or ``None`` for an unknown id (see ``missing_id``).

        Raises:
            SDKException: The id is not text, or the database failed.
        """
        found = self._find_id(id)
        return None if found is None else self._build_in_turn(found, usable=lambda row: row)

    @raises_sdk_exception
    def get_token(self, user: Any, token: Any) -> Any:  # noqa: ANN401 - the SDK has no types
        """Return the stored token of a user and of the token's client.

        Args:
            user: The SDK's ``UserSignature``.
            token: The SDK's ``OAuthToken``. It gets the user's name; it is not given an access
                token, so that the SDK goes on asking the store. A grant token that is not the
                stored one is a new login, and finds nothing.

        Returns:
            A new ``OAuthToken``, complete, with an expiry in the past if it can only be refreshed;
            ``None`` when the SDK has to log in.

        Raises:
            SDKException: As in :meth:`find_token`.
        """
        name = self._sdk.read_user(user)
        wanted = self._sdk.read(token)._replace(user_name=name)
        found = self._find(wanted)
        served, claim = LookupResult(None if found is None else answer(wanted, found))
        if self._turns is not None and self._turns.are_needed(wanted, served, token):
            served, claim = self._turns.take(
                wanted, found, lambda: self._find(wanted), lambda row: answer(wanted, row)
            )
        if served is None:
            if self._turns is not None:
                self._turns.hand_over(token, claim)
            return None
        self._sdk.fill(token, {"user_name": name} if name else {})
        if wanted.grant_token and served.refresh_token:
            self._sdk.fill(token, {"refresh_token": served.refresh_token})
        return self._built(served, claim)

    @raises_sdk_exception
    def get_token_by_id(self, id: str, token: Any) -> Any:  # noqa: A002, ANN401 - the SDK's own name and type
        """Return the token that is stored under an id.

        Args:
            id: The id that a save has set on the token.
            token: The SDK's ``OAuthToken``. It stays as it is, unless the stored login has not
                been made yet: then it is filled in, so that the SDK can make it.

        Returns:
            As in :meth:`get_token`; ``None`` also for an unknown id (see ``missing_id``).

        Raises:
            SDKException: The id is not text, the token is none of the SDK's, or the database
                failed.
        """
        self._sdk.read(token)
        found = self._find_id(id)
        if found is None:
            return None
        if usable(found) is None:
            self._sdk.fill(token, found.known())
            return None
        return self._build_in_turn(found, usable)

    @raises_sdk_exception
    def save_token(self, user: Any, token: Any = None) -> None:  # noqa: ANN401 - the SDK has no types
        """Store a token: update the stored one that it speaks of, or insert it.

        Called as ``save_token(token)`` or, with the user to whom it belongs, as ``save_token(user,
        token)``.

        An update changes the fields that the token has and keeps the others. A stored token without
        a user that holds the same grant or refresh token becomes this user's. After the commit the
        token's id is set.

        Args:
            user: The SDK's ``UserSignature``; left out, the user is the one that the token names.
            token: The SDK's ``OAuthToken``, with at least one of access, refresh and grant token.

        Raises:
            SDKException: There is nothing to store, a field is garbage, more than one stored token
                fits, the id belongs to another user's token, or the database failed. Nothing was
                stored then; after a :class:`DatabaseUnavailableError` save again to be sure.
        """
        if token is None:
            self._save_one(user, self._sdk.read(user))
            return
        name = self._sdk.read_user(user)
        self._save_one(token, self._sdk.read(token)._replace(user_name=name))
        self._sdk.fill(token, {"user_name": name} if name else {})

    @raises_sdk_exception
    def delete_token(self, id: Any) -> None:  # noqa: A002, ANN401 - the SDK's own name and type
        """Delete one stored token; one that is not stored changes nothing.

        Args:
            id: The id that a save has set on the token, or the SDK's ``OAuthToken`` itself, which
                is looked up as in :meth:`find_token`.

        Raises:
            SDKException: It is neither, more than one stored token fits, or the database failed.
        """
        if self._sdk.is_token(id):
            found = self._find(self._sdk.read(id))
            key = None if found is None else found.id
        else:
            key = check_id(id)
        if key is not None:
            self._delete(key)

    @raises_sdk_exception
    def get_tokens(self) -> list[Any]:
        """Return all stored tokens; the SDK can be initialised with each of them.

        Raises:
            SDKException: The database failed, or some of them cannot be decrypted; the error names
                their ids, and :meth:`iter_tokens` can skip them.
        """
        unreadable: list[DecryptionError] = []
        tokens = list(map(self._sdk.build, self._all(unreadable.append)))
        if unreadable:
            raise together(unreadable)
        return tokens

    @raises_sdk_exception
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

    def iter_tokens(self, on_error: Literal["raise", "skip"] = "raise") -> Iterator[Any]:
        """Yield all stored tokens, holding no more than a page of them in memory.

        A token that is stored all the while is yielded once; one saved or deleted meanwhile may or
        may not be.

        Args:
            on_error: What to do about a token that cannot be decrypted: ``"raise"``, or log it and
                ``"skip"`` it.

        Raises:
            TokenStoreError: The database failed, or a token cannot be decrypted.
        """
        if on_error not in ("raise", "skip"):
            raise ConfigurationError(f"on_error must be 'raise' or 'skip', not {on_error!r}")
        return map(self._sdk.build, self._all(leave_out if on_error == "skip" else raise_it))

    def _coordinate(self, refresher: RefreshCoordinator, keep: Keep) -> None:
        """Let the SDK refresh only when it is its turn; ``keep`` saves what it has refreshed."""
        self._turns = SDKRefreshes(
            self._sdk, refresher, lambda key: self._find(TokenRecord(id=key)), keep
        )

    def _find_id(self, key: object) -> TokenRecord | None:
        checked = check_id(key)
        found = None if checked is None else self._find(TokenRecord(id=checked))
        if found is None and self._missing_id == "raise":
            raise UnknownIdError(f"no token is stored under the id {key!r}")
        return found

    def _find_in_turn(
        self,
        turns: SDKRefreshes,
        token: Any,  # noqa: ANN401 - untyped SDK
        wanted: TokenRecord,
        found: TokenRecord | None,
    ) -> Any:  # noqa: ANN401 - untyped SDK
        """Find a token that the SDK would ask Zoho for; others may be doing so."""
        if turns.has_unsaved_login(token):
            self._save_one(token, wanted)
            return token
        served, claim = turns.take(
            wanted,
            found,
            lambda: self._find(wanted),
            lambda row: wanted._replace(**completion(wanted, row)),
        )
        if served is not None:
            self._sdk.fill(token, served.known())
        turns.hand_over(token, claim)
        return None if served is None else token

    def _build_in_turn(
        self, found: TokenRecord, usable: Callable[[TokenRecord], TokenRecord | None]
    ) -> Any:  # noqa: ANN401 - untyped SDK
        """Build the token of a row; if it has to be refreshed, by whose turn it is."""
        served, claim = LookupResult(usable(found))
        if self._turns is not None and self._turns.are_needed(found, served):
            key = TokenRecord(id=found.id)
            served, claim = self._turns.take(key, found, lambda: self._find(key), usable)
        return None if served is None else self._built(served, claim)

    def _built(self, record: TokenRecord, claim: RefreshClaim | None) -> Any:  # noqa: ANN401 - untyped SDK
        token = self._sdk.build(record)
        if self._turns is not None:
            self._turns.hand_over(token, claim)
        return token

    def _save_one(self, token: Any, record: TokenRecord) -> None:  # noqa: ANN401 - untyped SDK
        check_storable(record)
        try:
            key = self._keep(token, record)
        except IdConflictError:
            if not self._id_is_a_coincidence(record):
                raise
            key = self._keep(token, record._replace(id=None))
        self._sdk.fill(token, {"id": key})
        if self._turns is not None:
            self._turns.watch_own_copy(token)

    def _keep(self, token: Any, record: TokenRecord) -> str:  # noqa: ANN401 - untyped SDK
        key = None if self._turns is None else self._turns.save(token, record)
        return self._save([record])[0] if key is None else key

    def _id_is_a_coincidence(self, record: TokenRecord) -> bool:
        """Tell whether the SDK made an id that another login has by chance."""
        made = self._sdk.made_ids_begin_with
        if not made or not (record.id or "").startswith(made) or record.refresh_token is None:
            return False
        holder = self._find(TokenRecord(id=record.id))
        return holder is None or holder.refresh_token != record.refresh_token

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
    def _all(self, on_error: Callable[[DecryptionError], None]) -> Iterator[TokenRecord]:
        """Yield every record but those that cannot be decrypted, which ``on_error`` is told of."""
