"""Acting as a user: what a thread's SDK calls use while a block runs, and no other thread's.

In every generation ``Initializer.get_initializer`` prefers the thread's own initializer, in
``Initializer.LOCAL``, to the one of the whole process. ``Initializer.initialize`` sets both in 5-0,
6-0 and 7-0; in all others it sets only that of the process, which all threads then share.
"""

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Final

from zoho_tokenstore.errors import ConfigurationError, EventLoopError
from zoho_tokenstore.forks import ForkSafeLock
from zoho_tokenstore.sdk.binding import SDKBinding
from zoho_tokenstore.sdk.record_store import RecordStore
from zoho_tokenstore.sdk.types import SDKClass, SDKEnvironment, SDKInitializer, SDKToken
from zoho_tokenstore.tokens.record import TokenRecord, check_text
from zoho_tokenstore.zoho.access_tokens import unknown_user

__all__ = ["ActingStore"]

DATA_CENTERS: Final = ("us", "eu", "in", "au", "cn", "jp", "ca", "sa", "uk", "uae")
"""Prefixes of the modules of data centers; no SDK has all of them."""

ENVIRONMENTS: Final = ("PRODUCTION", "SANDBOX", "DEVELOPER")

_loading: Final = ForkSafeLock()


class ActingStore(RecordStore):
    """A store as whose users a thread can act.

    Attributes:
        accounts_url: The token endpoint that is asked for users of an unknown data center, ``None``
            for none.
    """

    accounts_url: str | None = None

    @contextmanager
    def acting_as(
        self,
        user_name: str,
        *,
        client_id: str | None = None,
        environment: SDKEnvironment | None = None,
    ) -> Iterator[None]:
        """Run the SDK calls of this thread as a stored user, inside the block.

        Other threads keep their users, and so does this thread after the block. Blocks can be
        nested. The SDK need not be initialized; if it is, the block uses its settings.

        Args:
            user_name: Name under which the user's token is stored.
            client_id: Client ID, for a user who has logged in with several clients.
            environment: The SDK's ``Environment``; by default that of the token's data center, or
                of the store's ``accounts_url``.

        Raises:
            UnknownUserError: No token is stored for this user and client.
            AmbiguousTokenError: The user has tokens of several clients.
            EventLoopError: The thread has a running event loop.
            ConfigurationError: The token does not tell its data center.
        """
        _refuse_event_loop()
        name = check_text("user_name", user_name)
        row = None
        if name is not None:
            row = self._find_record(TokenRecord(user_name=name, client_id=client_id))
        if row is None:
            raise unknown_user(user_name)
        with _act_as(self._sdk, self, row, environment):
            yield

    def _caller_with_id(self, key: str | None) -> TokenRecord | None:
        """Return the token that this thread's SDK calls use, if it is the one with this id.

        An SDK from 5-0 to 7-0 that is being initialized still has the token of before, or none.
        """
        current = self._sdk.initializer.get_initializer()
        if current is None or current.store is not self or not self._sdk.is_token(current.token):
            return None
        caller: TokenRecord = self._sdk.read_token(current.token)
        if caller.id != key:
            return None
        self._use.notice(current.token, caller)
        return caller


def _refuse_event_loop() -> None:
    """Refuse a thread whose tasks share an initializer, and go on as each other after an await."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise EventLoopError(
        "acting_as in a thread with a running event loop would mix up the users of its tasks: put "
        "the block and the SDK's calls into a function, and await asyncio.to_thread(function)"
    )


@contextmanager
def _act_as(
    sdk: SDKBinding, store: ActingStore, row: TokenRecord, environment: SDKEnvironment | None
) -> Iterator[None]:
    """Give this thread an initializer of its own within the block."""
    kind = sdk.initializer
    current = kind.get_initializer()
    _load_descriptions(sdk)
    mine = kind()
    mine.environment = environment or _environment_of(sdk, row, current, store.accounts_url)
    mine.store = store
    mine.token = _token_of(sdk, row)
    mine.sdk_config = current.sdk_config if current else _class_of(sdk, "sdk_config", "SDKConfig")()
    mine.resource_path = current.resource_path if current else str(Path.cwd())
    mine.request_proxy = current.request_proxy if current else None
    if sdk.contract != "C":
        mine.user = sdk.user_type(row.user_name)
    before = getattr(kind.LOCAL, "init", None)
    kind.LOCAL.init = mine
    try:
        yield
    finally:
        kind.LOCAL.init = before


def _token_of(sdk: SDKBinding, row: TokenRecord) -> SDKToken:
    """Return a token for which the SDK asks the store before each use."""
    if sdk.contract == "A":  # by its user
        return sdk.build_token(row._replace(access_token=None, expiry=None))
    if sdk.contract == "B":  # by its id alone: what is complete is refreshed without asking
        return sdk.build_token(TokenRecord(id=row.id))
    # By its id. The SDK names its file of field descriptions after the user, so it has to be there.
    return sdk.build_token(row)


def _environment_of(
    sdk: SDKBinding, row: TokenRecord, current: SDKInitializer | None, accounts_url: str | None
) -> SDKEnvironment:
    """Return the environment with the token's API domain.

    It is the thread's own, one of Zoho's, or that of the accounts server that is configured.
    """
    used = current.environment if current else None
    if used is not None and row.api_domain in (None, used.url):
        return used
    for environment in _known_environments(sdk):
        if environment.url == row.api_domain:
            return environment
    if accounts_url is not None and row.api_domain is not None:
        kind = _class_of(sdk, "dc.data_center", "DataCenter").Environment
        named = {"name": "CONFIGURED"} if "name" in inspect.signature(kind).parameters else {}
        return kind(row.api_domain, accounts_url, row.api_domain, **named)
    raise ConfigurationError(
        f"the data center of the user {row.user_name!r} is not known from the stored token: pass "
        "environment=, for example USDataCenter.PRODUCTION(), or accounts_url= to the store"
    )


def _known_environments(sdk: SDKBinding) -> Iterator[SDKEnvironment]:
    for prefix in DATA_CENTERS:
        try:
            center = _class_of(sdk, f"dc.{prefix}_data_center", f"{prefix.upper()}DataCenter")
        except ImportError:
            continue
        for name in ENVIRONMENTS:
            yield getattr(center, name)()


def _class_of(sdk: SDKBinding, module: str, name: str) -> SDKClass:
    api = sdk.initializer.__module__.rpartition(".")[0]
    return getattr(import_module(f"{api}.{module}"), name)


def _load_descriptions(sdk: SDKBinding) -> None:
    """Load the SDK's descriptions of its classes, as its ``initialize`` does at the first call."""
    kind = sdk.initializer
    with _loading:
        if not kind.json_details:
            module = Path(str(import_module(kind.__module__).__file__))
            kind.json_details = kind.get_json(
                str(module.parents[4] / sdk.constants.JSON_DETAILS_FILE_PATH)
            )
