"""Records of tokens, found and saved for an SDK: each refresh coordinated with other workers."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, cast

from zoho_tokenstore.errors import (
    AmbiguousTokenError,
    ConfigurationError,
    DecryptionError,
    EncryptionError,
    IdConflictError,
    InvalidTokenError,
    UnknownIdError,
)
from zoho_tokenstore.refresh.coordinator import MARGIN, RefreshCoordinator
from zoho_tokenstore.refresh.inflight import LookupResult, RefreshClaim
from zoho_tokenstore.sdk.binding import SDKBinding
from zoho_tokenstore.sdk.callers import InitializerUse, warn_of_placeholder
from zoho_tokenstore.sdk.completion import completion
from zoho_tokenstore.sdk.coordination import Complete, SaveClaimed, SDKRefreshes, called_by_sdk
from zoho_tokenstore.sdk.installed import MissingSDK
from zoho_tokenstore.sdk.types import SDKToken
from zoho_tokenstore.tokens.matching import storable
from zoho_tokenstore.tokens.record import TokenRecord, check_id
from zoho_tokenstore.zoho.access_tokens import unknown_user

__all__ = ["RecordStore"]

ID_ADVICE: Final = (
    "pass the id that the store has set on the token ('zoho-tokenstore list' shows it), or the "
    "token itself"
)

log: Final = logging.getLogger("zoho_tokenstore")


class RecordStore(ABC):
    """Storage of records, as the contracts with the SDKs need it.

    Args:
        missing_id: Result of a lookup by an unknown id, as in :class:`SDKTokenStore`.
        sdk: The SDK's binding.

    Raises:
        ConfigurationError: ``missing_id`` is not one of these.
    """

    def __init__(self, missing_id: Literal["none", "raise"], sdk: SDKBinding | MissingSDK) -> None:
        """Leave refreshes to the SDK until :meth:`_coordinate` is called."""
        if missing_id not in ("none", "raise"):
            raise ConfigurationError(f"missing_id must be 'none' or 'raise', not {missing_id!r}")
        self._missing_id = missing_id
        self._sdk = cast("SDKBinding", sdk)
        self._has_sdk = not isinstance(sdk, MissingSDK)
        if self._has_sdk:
            self._use = InitializerUse(self._sdk)
        self._refreshes: SDKRefreshes | None = None

    @abstractmethod
    def _find_record(self, token: TokenRecord) -> TokenRecord | None:
        """Return the record that the token identifies."""

    @abstractmethod
    def _is_outdated(self, token: TokenRecord, row: TokenRecord) -> bool:
        """Return whether a token has a refresh token that its row has superseded."""

    @abstractmethod
    def _save_records(self, tokens: Sequence[TokenRecord]) -> list[str]:
        """Upsert the tokens, all or none; return the ids of their records."""

    @abstractmethod
    def _delete_record(self, key: str) -> bool:
        """Delete the record with this id; return whether there was one."""

    @abstractmethod
    def _delete_all_records(self) -> None:
        """Delete every record."""

    @abstractmethod
    def _names_of_mail(self, mail: str) -> list[str]:
        """Return the names ``mail:organization`` of users with this mail address, in order."""

    @abstractmethod
    def _iter_records(self, on_error: Callable[[DecryptionError], None]) -> Iterator[TokenRecord]:
        """Yield every record; pass the errors of those that cannot be decrypted to ``on_error``."""

    def _coordinate(self, coordinator: RefreshCoordinator, save_claimed: SaveClaimed) -> None:
        """Let the SDK refresh only with a claim; ``save_claimed`` saves the refreshed token."""
        if not self._has_sdk:
            return
        self._refreshes = SDKRefreshes(
            self._sdk,
            coordinator,
            lambda key: self._find_record(TokenRecord(id=key)),
            self._is_outdated,
            save_claimed,
        )

    def _find_id(self, key: object) -> TokenRecord | None:
        checked = check_id(key)
        found = None if checked is None else self._find_record(TokenRecord(id=checked))
        if found is None and self._missing_id == "raise":
            raise UnknownIdError(f"no token is stored under the id {key!r}")
        return found

    def _current_login(self, wanted: TokenRecord, found: TokenRecord) -> TokenRecord:
        """Return a token that will not be refreshed with what its row has superseded.

        As long as nothing is refreshed, the application's own refresh token stays, and the database
        is not asked.
        """
        served = wanted._replace(**completion(wanted, found))
        if not self._is_due(served) or not self._is_outdated(wanted, found):
            return wanted
        return wanted._replace(refresh_token=found.refresh_token)

    def _is_due(self, token: TokenRecord) -> bool:
        """Return whether a token is to be refreshed: by this store's policy, else by the SDK."""
        if self._refreshes is not None:
            return self._refreshes.coordinator.is_due(token)
        return token.is_due(int(time.time() * 1000), MARGIN)

    def _refuse_unknown_user(self, wanted: TokenRecord) -> None:
        """Say why the SDK cannot go on as a user, if it is the SDK that has asked."""
        if wanted.user_name is None or wanted.grant_token or wanted.refresh_token:
            return
        if called_by_sdk():
            cause = unknown_user(wanted.user_name)
            raise self._sdk.unknown_user_exception(cause) from cause

    def _id_of(self, token: TokenRecord) -> str | None:
        """Return the id of the record that the token identifies, ``None`` without one.

        Raises:
            InvalidTokenError: Its user's name is the mail address of other users.
        """
        found = self._find_record(token)
        if found is None:
            self._refuse_mail(token.user_name)
            return None
        return found.id

    def _delete_id(self, key: str) -> None:
        """Delete the record with this id, if there is one.

        Raises:
            InvalidTokenError: It is the name or the mail address of a user instead.
        """
        if self._delete_record(key):
            return
        try:
            if self._find_record(TokenRecord(user_name=key)) is None:
                self._refuse_mail(key)
                return
        except AmbiguousTokenError:  # a user of more than one client
            pass
        except EncryptionError:  # a deletion needs no key
            return
        raise InvalidTokenError(
            f"{key!r} is the name of a user, not the id of a token: {ID_ADVICE}"
        )

    def _refuse_mail(self, mail: str | None) -> None:
        """Raise for the mail address of users, which alone does not say whose token is meant."""
        if mail and "@" in mail and (names := self._names_of_mail(mail)):
            raise InvalidTokenError(
                f"{mail!r} is only the mail address of {', '.join(map(repr, names))}: {ID_ADVICE}"
            )

    def _resolve(
        self,
        wanted: TokenRecord,
        found: TokenRecord | None,
        complete: Complete,
        token: SDKToken = None,
    ) -> LookupResult:
        served = None if found is None else complete(found)
        refreshes = self._refreshes
        if refreshes is None or not refreshes.coordinator.is_due(served, wanted):
            return LookupResult(served)
        if not refreshes.are_asked_for(token):
            return LookupResult(served)
        return refreshes.resolve_lookup(wanted, found, lambda: self._find_record(wanted), complete)

    def _assign(self, token: SDKToken, claim: RefreshClaim | None) -> SDKToken:
        if self._refreshes is not None and claim is not None:
            self._refreshes.assign_claim(token, claim)
        return token

    def _find_coordinated(
        self,
        refreshes: SDKRefreshes,
        token: SDKToken,
        wanted: TokenRecord,
        found: TokenRecord | None,
    ) -> SDKToken:
        if refreshes.has_unsaved_login(token):
            self._save_one(token, wanted)
            return token
        served, claim = refreshes.resolve_lookup(
            wanted,
            found,
            lambda: self._find_record(wanted),
            lambda row: wanted._replace(**completion(wanted, row)),
        )
        if served is not None:
            self._sdk.fill_token(token, served.known())
        self._assign(token, claim)
        return None if served is None else token

    def _build_coordinated(self, found: TokenRecord, complete: Complete) -> SDKToken:
        served, claim = self._resolve(TokenRecord(id=found.id), found, complete)
        return None if served is None else self._assign(self._sdk.build_token(served), claim)

    def _save_batch(self, tokens: Sequence[SDKToken]) -> None:
        records = [storable(self._sdk.read_token(token)) for token in tokens]
        for record in records:
            warn_of_placeholder(record)
        keys = self._save_records(records)
        for token, key in zip(tokens, keys, strict=True):
            self._sdk.fill_token(token, {"id": key})

    def _save_one(self, token: SDKToken, record: TokenRecord) -> None:
        record = storable(record)
        warn_of_placeholder(record)
        try:
            key = self._save_record(token, record)
        except IdConflictError:
            if not self._has_shared_id(record):
                raise
            key = self._save_record(token, record._replace(id=None))
        self._sdk.fill_token(token, {"id": key})
        if record.refresh_token is None and record.access_token is not None:
            self._warn_of_missing_refresh_token(key)
        if self._refreshes is not None:
            self._refreshes.observe_own_copy(token)

    def _warn_of_missing_refresh_token(self, key: str) -> None:
        row = self._find_record(TokenRecord(id=key))
        if row is not None and row.refresh_token is None:
            log.warning(
                "the login of token %s (user %r) has no refresh token and ends when its access "
                "token expires: log in with access_type=offline and prompt=consent",
                key,
                row.user_name,
            )

    def _save_record(self, token: SDKToken, record: TokenRecord) -> str:
        key = None if self._refreshes is None else self._refreshes.save_refreshed(token, record)
        return self._save_records([record])[0] if key is None else key

    def _has_shared_id(self, record: TokenRecord) -> bool:
        """Return whether the SDK made an id that another login has by chance."""
        made = self._sdk.made_ids_begin_with
        if not made or not (record.id or "").startswith(made) or record.refresh_token is None:
            return False
        holder = self._find_record(TokenRecord(id=record.id))
        return holder is None or holder.refresh_token != record.refresh_token
