"""The methods that an SDK calls, over any storage of records.

The contracts are documented here, once: stores inherit them and implement how records are kept.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from itertools import islice
from typing import Any, Literal, TypeVar, cast

from zoho_tokenstore.errors import ConfigurationError, DecryptionError, TokenStoreError
from zoho_tokenstore.sdk.acting import ActingStore
from zoho_tokenstore.sdk.callers import refuse_another_login
from zoho_tokenstore.sdk.completion import completed_token, completion, usable_token
from zoho_tokenstore.sdk.errors import combine_errors, log_skipped, log_swallowed, raise_unreadable
from zoho_tokenstore.sdk.installed import SDKName, load_if_installed
from zoho_tokenstore.sdk.types import SDKToken, SDKUser
from zoho_tokenstore.tokens.record import check_id
from zoho_tokenstore.tokens.save_plan import BATCH_SIZE
from zoho_tokenstore.tracebacks import hides_frames, without_frames

__all__ = ["SDKTokenStore"]

F = TypeVar("F", bound=Callable[..., Any])


def _raises_sdk_exception(method: F) -> F:
    """Make a method that the SDK calls raise the SDK's own error, with ours as its cause."""

    @wraps(method)
    def call(self: "SDKTokenStore", *args: object, **kwargs: object) -> object:
        try:
            return method(self, *args, **kwargs)
        except TokenStoreError as error:
            args, kwargs = (), {}  # what a traceback would show
            log_swallowed(method.__name__, error)
            name = type(self).__name__
            raise self._sdk.sdk_exception(name, method.__name__, error) from without_frames(error)

    return cast("F", call)


class SDKTokenStore(ActingStore):
    """A token store for Zoho's SDKs, registered as the ``TokenStore`` of one of them.

    ``zohocrmsdk`` calls ``find_token``, ``find_token_by_id``, ``save_token(token)`` and
    ``delete_token(id)``; ``zcrmsdk`` calls ``get_token``, ``get_token_by_id``, ``save_token(user,
    token)`` and ``delete_token(token)``. An application may call any of them, whatever its SDK.

    Every method is thread-safe. A method that the SDK calls raises its ``SDKException`` with code
    ``TOKEN_STORE``, whose ``cause`` is a :class:`TokenStoreError`. The other methods raise that
    error itself. SDKs swallow errors of ``save_token`` and ``delete_token``, so the logger
    ``zoho_tokenstore`` logs them too.

    Args:
        missing_id: Result of a lookup by an unknown id: ``"none"`` returns ``None``, ``"raise"``
            raises the SDK's own error, as releases before 8-0 7.0.0 need.
        sdk: The package that the application imports; needed only where both are installed.

    Raises:
        MissingSDKError: The SDK that ``sdk`` names is not installed.
        ConfigurationError: ``missing_id`` or ``sdk`` is not one of these.
    """

    def __init__(
        self, *, missing_id: Literal["none", "raise"] = "none", sdk: SDKName | None = None
    ) -> None:
        """Bind the installed SDK, if there is one."""
        super().__init__(missing_id, load_if_installed(sdk))
        if self._has_sdk:
            self._sdk.register_store(type(self))

    @_raises_sdk_exception
    def find_token(self, token: SDKToken) -> SDKToken:
        """Complete a token with its stored fields.

        The first of these that the token has decides which stored token it is: user name; access
        token (when it has no client id and no client secret); grant token; refresh token; id. A
        client id narrows the choice.

        Args:
            token: The SDK's ``OAuthToken``; it is filled in place. Fields that the caller set
                stay, but a stored access token that expires later replaces the caller's, and a
                refresh token that the stored login has superseded gives way.

        Returns:
            The same object, or ``None`` when no stored token fits.

        Raises:
            SDKException: More than one stored token fits, the token is not the SDK's or cannot be
                looked up, or the database failed.
        """
        wanted = self._sdk.read_token(token)
        found = self._find_record(wanted)
        self._use.notice(token, found)
        if found is not None and wanted.refresh_token not in (None, found.refresh_token):
            wanted = self._current_login(wanted, found)
            self._sdk.fill_token(token, {"refresh_token": wanted.refresh_token or ""})
        refreshes = self._refreshes
        if (
            refreshes is not None
            and refreshes.coordinator.is_due(found, wanted)
            and refreshes.are_asked_for(token)
        ):
            return self._find_coordinated(refreshes, token, wanted, found)
        if found is None:
            self._refuse_unknown_user(wanted)
            return None
        self._sdk.fill_token(token, completion(wanted, found))
        return token

    @_raises_sdk_exception
    def find_token_by_id(self, id: str) -> SDKToken:
        """Return the token that is stored under an id.

        Args:
            id: The id that a save has set on the token.

        Returns:
            A new ``OAuthToken``, or ``None`` for an unknown id (see ``missing_id``).

        Raises:
            SDKException: The id is not text, it belongs to another login than the token that this
                thread uses, or the database failed.
        """
        found = self._find_id(id)
        if found is None:
            return None
        caller = self._caller_with_id(found.id)
        if caller is not None:
            refuse_another_login(found, caller)
        return self._build_coordinated(found, lambda row: row)

    @_raises_sdk_exception
    def get_token(self, user: SDKUser, token: SDKToken) -> SDKToken:
        """Return the stored token of a user and of the token's client.

        Args:
            user: The SDK's ``UserSignature``.
            token: The SDK's ``OAuthToken``. It gets the user's name but no access token, so that
                the SDK continues to ask the store. A grant token that is not the stored one is a
                new login, and finds nothing.

        Returns:
            A new ``OAuthToken``, complete, with an expiry in the past if it can only be refreshed;
            ``None`` when the SDK has to log in.

        Raises:
            SDKException: As in :meth:`find_token`.
        """
        name = self._sdk.read_user(user)
        wanted = self._sdk.read_token(token)._replace(user_name=name)
        found = self._find_record(wanted)
        self._use.notice(token, found)
        if found is not None and wanted.refresh_token not in (None, found.refresh_token):
            wanted = self._current_login(wanted, found)
        served, claim = self._resolve(wanted, found, partial(completed_token, wanted), token)
        if served is None:
            self._assign(token, claim)
            return None
        self._sdk.fill_token(token, {"user_name": name} if name else {})
        if wanted.grant_token and served.refresh_token:
            self._sdk.fill_token(token, {"refresh_token": served.refresh_token})
        return self._assign(self._sdk.build_token(served), claim)

    @_raises_sdk_exception
    def get_token_by_id(self, id: str, token: SDKToken) -> SDKToken:
        """Return the token that is stored under an id.

        Args:
            id: The id that a save has set on the token.
            token: The SDK's ``OAuthToken``. It is not changed, unless the stored login has not
                been made yet: then it is filled in place, so that the SDK can log in.

        Returns:
            As in :meth:`get_token`; ``None`` also for an unknown id (see ``missing_id``).

        Raises:
            SDKException: The id is not text or belongs to another login, the token is not the
                SDK's, or the database failed.
        """
        caller = self._sdk.read_token(token)
        found = self._find_id(id)
        self._use.notice(token, found)
        if found is None:
            return None
        refuse_another_login(found, caller)
        if usable_token(found) is None:
            self._sdk.fill_token(token, found.known())
            return None
        return self._build_coordinated(found, usable_token)

    @_raises_sdk_exception
    def save_token(self, user: SDKUser, token: SDKToken = None) -> None:
        """Store a token: update the stored token that matches, or insert it.

        Call it as ``save_token(token)``, or as ``save_token(user, token)`` to set the user.

        An update changes the fields that the token has and keeps the others. A stored token without
        a user, but with the same grant or refresh token, becomes this user's. The token's id is set
        after the commit.

        Args:
            user: The SDK's ``UserSignature``; by default, the user of the token.
            token: The SDK's ``OAuthToken``, with at least one of access, refresh and grant token.

        Raises:
            SDKException: The token is empty or invalid, more than one stored token fits, the id
                belongs to another user's token, or the database failed. Nothing was stored, except
                perhaps after a :class:`DatabaseUnavailableError`: save again.
        """
        if token is None:
            self._save_one(user, self._sdk.read_token(user))
            return
        name = self._sdk.read_user(user)
        self._save_one(token, self._sdk.read_token(token)._replace(user_name=name))
        self._sdk.fill_token(token, {"user_name": name} if name else {})

    @_raises_sdk_exception
    def delete_token(self, id: str | SDKToken) -> None:
        """Delete one stored token; an unknown token changes nothing.

        Args:
            id: The id that a save has set on the token, or the SDK's ``OAuthToken`` itself, which
                is looked up as in :meth:`find_token`.

        Raises:
            SDKException: It is neither or a user's name or mail address, it is ambiguous, or the
                database failed.
        """
        key = self._id_of(self._sdk.read_token(id)) if self._sdk.is_token(id) else check_id(id)
        if key is not None:
            self._delete_id(key)

    @_raises_sdk_exception
    def get_tokens(self) -> list[SDKToken]:
        """Return all stored tokens; the SDK can be initialized with each of them.

        Raises:
            SDKException: The database failed, or some tokens cannot be decrypted; the error names
                their ids, and :meth:`iter_tokens` can skip them.
        """
        unreadable: list[DecryptionError] = []
        tokens = list(map(self._sdk.build_token, self._iter_records(unreadable.append)))
        if unreadable:
            raise combine_errors(unreadable)
        return tokens

    @_raises_sdk_exception
    def delete_tokens(self) -> None:
        """Delete all stored tokens, in one transaction.

        Raises:
            SDKException: The database failed, and nothing was deleted.
        """
        self._delete_all_records()

    @hides_frames
    def save_tokens(self, tokens: Iterable[SDKToken]) -> None:
        """Store many tokens as :meth:`save_token` does, in transactions of 4,000 tokens.

        Args:
            tokens: Tokens of the SDK; an iterator is read batch by batch.

        Raises:
            TokenStoreError: As in :meth:`save_token`. Earlier batches stay stored.
        """
        iterator = iter(tokens)
        while batch := list(islice(iterator, BATCH_SIZE)):
            self._save_batch(batch)

    def iter_tokens(self, on_error: Literal["raise", "skip"] = "raise") -> Iterator[SDKToken]:
        """Yield all stored tokens, with at most one page of them in memory.

        A token that is saved or deleted during the iteration may or may not be yielded; every other
        token is yielded once.

        Args:
            on_error: ``"raise"`` the error of a token that cannot be decrypted, or log it and
                ``"skip"`` the token.

        Raises:
            TokenStoreError: The database failed, or a token cannot be decrypted.
        """
        if on_error not in ("raise", "skip"):
            raise ConfigurationError(f"on_error must be 'raise' or 'skip', not {on_error!r}")
        return self._iterate(log_skipped if on_error == "skip" else raise_unreadable)

    def _iterate(self, on_error: Callable[[DecryptionError], None]) -> Iterator[SDKToken]:
        try:
            yield from map(self._sdk.build_token, self._iter_records(on_error))
        except TokenStoreError as error:
            raise without_frames(error) from error.__cause__
