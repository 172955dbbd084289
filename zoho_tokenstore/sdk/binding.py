"""The differences between the SDKs: their token and user classes, exceptions and messages."""

from abc import ABCMeta
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import repeat
from operator import attrgetter, call
from typing import Any, Final, Literal, TypeAlias

from zoho_tokenstore.errors import (
    InvalidTokenError,
    TokenStoreError,
    TokenTypeError,
    UnknownIdError,
)
from zoho_tokenstore.sdk.types import SDKClass, SDKToken, SDKUser
from zoho_tokenstore.tokens.record import FIELDS, TokenRecord, check_text

__all__ = ["SDKBinding", "bind"]

Getters: TypeAlias = Sequence[Callable[[SDKToken], object]]
Setters: TypeAlias = Mapping[str, Callable[[SDKToken, Any], None]]
AcceptAnswer: TypeAlias = Callable[[SDKToken, Sequence[Any], Any], None]

FIELD_NAMES: Final[Mapping[str, str]] = {
    "id": "id",
    "client_id": "client_id",
    "client_secret": "client_secret",
    "refresh_token": "refresh_token",
    "access_token": "access_token",
    "grant_token": "grant_token",
    "expiry": "expires_in",
    "redirect_url": "redirect_url",
}
"""Our names of the fields that every SDK's token has, and the SDKs'."""

USER: Final = FIELDS.index("user_name")

SIGNATURE: Final = "user_signature"
"""The field of contract C's tokens that holds a ``UserSignature`` instead of a name."""

OPERATIONS: Final[Mapping[str, str]] = {
    "find_token": "GET_TOKEN_DB_ERROR",
    "find_token_by_id": "GET_TOKEN_DB_ERROR",
    "get_token": "GET_TOKEN_DB_ERROR",
    "get_token_by_id": "GET_TOKEN_DB_ERROR",
    "save_token": "SAVE_TOKEN_DB_ERROR",
    "delete_token": "DELETE_TOKEN_DB_ERROR",
    "get_tokens": "GET_TOKENS_DB_ERROR",
    "delete_tokens": "DELETE_TOKENS_DB_ERROR",
}
"""The methods of a store, and the names of their messages in the SDK's ``Constants``."""

SDK_STORE: Final = "DBStore"
"""The store that the SDK's messages speak of."""


@dataclass(frozen=True, slots=True)
class SDKBinding:
    """One contract between a Zoho SDK and its token stores.

    The fields of a token go by the names that :class:`TokenRecord` gives them.

    Attributes:
        contract: Its letter, as in ``docs/explanation/sdk-contracts.md``.
        accept_answer: Takes the token, the arguments of the SDK's method and Zoho's answer; sets
            the token's fields, and saves it if this SDK saves within a refresh.
        new_token: Makes an empty token through the SDK's constructor.
        token_type: The SDK's ``OAuthToken``.
        store_type: The SDK's ``TokenStore``.
        user_type: The SDK's ``UserSignature``.
        error_type: The SDK's ``SDKException``.
        initializer: The SDK's ``Initializer``.
        constants: The SDK's ``Constants``.
        getters: How each field of a token is read, in the order of the record.
        setters: How each field of a token is set.
        get_user_name: How the name is read from the SDK's ``UserSignature``.
        holds_signature: Whether tokens hold a ``UserSignature`` instead of a name.
        messages: The SDK's own message for each method of a store.
        unknown_id: The SDK's own message for an id that is not stored, if it has one.
        user_agent: The user agent of the SDK's login requests, ``None`` for that of ``requests``
            (2-0 6.0.0 to 8-0 7.0.0 send this one).
        made_ids_begin_with: Prefix of the ids that the SDK makes when it logs in, from parts that
            two users may share; ``None`` if it makes none.
        keeps_own_copy: Whether a token that has logged in is refreshed without asking the store.
    """

    contract: Literal["A", "B", "C"]
    accept_answer: AcceptAnswer
    new_token: Callable[[], SDKToken]
    token_type: SDKClass
    store_type: ABCMeta
    user_type: SDKClass
    error_type: SDKClass
    initializer: SDKClass
    constants: SDKClass
    getters: Getters
    setters: Setters
    get_user_name: Callable[[SDKUser], object]
    holds_signature: bool
    messages: Mapping[str, str]
    unknown_id: str | None
    user_agent: str | None = "Mozilla/5.0"
    made_ids_begin_with: str | None = None
    keeps_own_copy: bool = False

    def register_store(self, store: type) -> None:
        """Make instances of ``store`` pass the SDK's ``isinstance(store, TokenStore)``.

        It becomes a virtual subclass: nothing of the SDK's class is inherited.
        """
        self.store_type.register(store)

    def is_token(self, thing: object) -> bool:
        """Return whether this is a token of the SDK."""
        return isinstance(thing, self.token_type)

    def read_token(self, token: SDKToken) -> TokenRecord:
        """Return the fields of the SDK's token.

        Raises:
            TokenTypeError: It is not a token of the SDK.
            InvalidTokenError: One of its fields cannot be stored.
        """
        if not isinstance(token, self.token_type):
            raise TokenTypeError(
                f"expected an {_class_name(self.token_type)}, got {_class_name(type(token))}"
            )
        try:
            values = list(map(call, self.getters, repeat(token)))
            if self.holds_signature and values[USER] is not None:
                values[USER] = self.get_user_name(values[USER])
            return TokenRecord.checked(values)
        except AttributeError as error:
            problem = InvalidTokenError(
                f"the OAuthToken was made without its constructor: it has no {error.name!r}"
            )
        except InvalidTokenError as error:
            problem = error
        values = []  # and raised again: a traceback's local variables would show the fields
        raise problem.with_traceback(None)

    def read_user(self, user: SDKUser) -> str | None:
        """Return the name in the SDK's ``UserSignature``.

        Raises:
            TokenTypeError: It is not a ``UserSignature`` of the SDK.
            InvalidTokenError: The name cannot be stored.
        """
        if not isinstance(user, self.user_type):
            raise TokenTypeError(
                f"expected a {_class_name(self.user_type)}, got {_class_name(type(user))}"
            )
        name = self.get_user_name(user)
        return None if name is None else check_text("user_name", name)

    def fill_token(self, token: SDKToken, values: Mapping[str, str | int]) -> None:
        """Set fields of the SDK's token; those that it does not have are left out."""
        for name, value in values.items():
            if name in self.setters:
                # Text, because the SDKs call int() or len() on the expiry.
                self.setters[name](token, str(value))

    def build_token(self, record: TokenRecord) -> SDKToken:
        """Return a new token; without its constructor it would lack fields that the SDK needs."""
        token = self.new_token()
        self.fill_token(token, record.known())
        return token

    def sdk_exception(self, store: str, operation: str, cause: TokenStoreError) -> Exception:
        """Return an ``SDKException`` with the SDK's code and message, and our error as cause.

        Args:
            store: The name of the store's class, for the message.
            operation: The method of the store that failed.
            cause: Why it failed.
        """
        message = self.messages[operation]
        if operation.endswith("_by_id") and isinstance(cause, (UnknownIdError, TokenTypeError)):
            message = self.unknown_id or message
        message = message.replace(SDK_STORE, store)
        return self._exception(self.constants.TOKEN_STORE, f"{message}: ", cause=cause)

    def unknown_user_exception(self, cause: TokenStoreError) -> Exception:
        """Return the error that the SDK raises for a user of whom it has no token (contract C)."""
        constants = self.constants
        required = ", ".join(constants.OAUTH_MANDATORY_KEYS2)
        message = f"{constants.GET_TOKEN_BY_USER_NAME_ERROR} - {required}: "
        return self._exception(constants.MANDATORY_VALUE_ERROR, message, cause=cause)

    def refresh_exception(self, cause: Exception) -> Exception:
        """Return the error that the SDK raises when it could not ask Zoho for a token."""
        return self._exception(self.constants.SAVE_TOKEN_ERROR, cause=cause)

    def _exception(self, *arguments: str, cause: Exception) -> Exception:
        exception: Exception = self.error_type(*arguments, cause=cause)
        return exception


def bind(
    package: str,
    contract: Literal["A", "B", "C"],
    names: Mapping[str, str],
    user_name: str,
    accept_answer: AcceptAnswer,
) -> SDKBinding:
    """Import the classes of an SDK and bind them.

    Args:
        package: The package's name.
        contract: The contract's letter.
        names: Our names of fields that not every SDK has, and this SDK's.
        user_name: The SDK's name of the name in a ``UserSignature``.
        accept_answer: As in :class:`SDKBinding`.
    """
    authenticator = f"{package}.src.com.zoho.api.authenticator"
    api = f"{package}.src.com.zoho.crm.api"
    token_type = import_module(f"{authenticator}.oauth_token").OAuthToken
    user_type = import_module(f"{api}.user_signature").UserSignature
    constants = import_module(f"{api}.util.constants").Constants
    getters, setters = _accessors(token_type, user_type, {**FIELD_NAMES, **names})
    return SDKBinding(
        contract=contract,
        accept_answer=accept_answer,
        new_token=partial(_new_token, token_type, setters["id"]),
        token_type=token_type,
        store_type=import_module(f"{authenticator}.store.token_store").TokenStore,
        user_type=user_type,
        error_type=import_module(f"{api}.exception.sdk_exception").SDKException,
        initializer=import_module(f"{api}.initializer").Initializer,
        constants=constants,
        getters=getters,
        setters=setters,
        get_user_name=_getter(user_type, user_name),
        holds_signature=names["user_name"] == SIGNATURE,
        messages={method: getattr(constants, name) for method, name in OPERATIONS.items()},
        unknown_id=getattr(constants, "GET_TOKEN_BY_ID_DB_ERROR", None),
    )


def _accessors(
    token_type: SDKClass, user_type: SDKClass, names: Mapping[str, str]
) -> tuple[Getters, Setters]:
    getters = {name: _getter(token_type, theirs) for name, theirs in names.items()}
    setters = {name: _setter(token_type, theirs) for name, theirs in names.items()}
    if names["user_name"] == SIGNATURE:
        setters["user_name"] = partial(_set_signature, setters["user_name"], user_type)
    return tuple(getters.get(name, _absent) for name in FIELDS), setters


def _getter(kind: SDKClass, name: str) -> Callable[[Any], object]:
    """Return how a field is read: contract A has attributes, the others have methods.

    Methods are the class's functions, because ``merge_objects`` of contract C leaves the bound
    methods of one token on another.
    """
    getter: Callable[[Any], object] = getattr(kind, f"get_{name}", attrgetter(name))
    return getter


def _setter(kind: SDKClass, name: str) -> Callable[[Any, Any], None]:
    setter: Callable[[Any, Any], None] = getattr(kind, f"set_{name}", partial(_set_attribute, name))
    return setter


def _set_attribute(name: str, token: SDKToken, value: object) -> None:
    setattr(token, name, value)


def _set_signature(
    set_signature: Callable[[SDKToken, SDKUser], None],
    user_type: SDKClass,
    token: SDKToken,
    name: str,
) -> None:
    set_signature(token, user_type(name))


def _new_token(token_type: SDKClass, set_id: Callable[[SDKToken, None], None]) -> SDKToken:
    """Make an empty token; the constructor of contracts B and C insists on one field."""
    token = token_type(id="")
    set_id(token, None)
    return token


def _absent(_token: SDKToken) -> None:
    return None


def _class_name(kind: type) -> str:
    """Name a class, with its package, because two SDKs may have one of that name."""
    package = kind.__module__.split(".")[0]
    return kind.__name__ if package == "builtins" else f"{package}'s {kind.__name__}"
