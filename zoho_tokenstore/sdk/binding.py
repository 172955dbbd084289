"""What the store needs to know of an SDK: its tokens, its errors, and the words it has for them."""

from abc import ABCMeta
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from zoho_tokenstore.errors import (
    InvalidTokenError,
    TokenStoreError,
    TokenTypeError,
    UnknownIdError,
)
from zoho_tokenstore.tokens.record import FIELDS, TokenRecord, check_text

__all__ = ["SDKBinding", "accessors", "in_order", "messages"]

Getters = tuple[Callable[[Any], object], ...]
Setters = Mapping[str, Callable[[Any, Any], None]]


@dataclass(frozen=True, slots=True)
class SDKBinding:
    """One contract between a Zoho SDK and its token stores.

    The fields of a token go by the names that :class:`TokenRecord` gives them.

    Attributes:
        contract: Its letter, as in ``docs/explanation/sdk-contracts.md``.
        token_type: The SDK's ``OAuthToken``.
        coordinated_type: Our subclass of it, which tells how its refresh ends.
        store_type: The SDK's ``TokenStore``.
        user_type: The SDK's ``UserSignature``.
        error_type: The SDK's ``SDKException``.
        new_token: Make a token that holds nothing, through the SDK's constructor.
        getters: How each field of a token is read, in the order of the record.
        setters: How each field of a token is set.
        user_name: How the name is read from the SDK's ``UserSignature``.
        error_code: The SDK's code for errors of a store.
        messages: The SDK's own message for each method of a store.
        unknown_id: The SDK's own message for an id that is not stored, if it has one.
        made_ids_begin_with: What the ids begin with that the SDK makes when it logs in, of parts
            that two users may share; ``None`` if it makes none.
        keeps_own_copy: A token that has been logged in with is refreshed without asking the store.
    """

    contract: Literal["A", "B", "C"]
    token_type: type
    coordinated_type: type
    store_type: ABCMeta
    user_type: type
    error_type: Callable[..., Exception]
    new_token: Callable[[], Any]
    getters: Getters
    setters: Setters
    user_name: Callable[[Any], object]
    error_code: str
    messages: Mapping[str, str]
    unknown_id: str | None = None
    made_ids_begin_with: str | None = None
    keeps_own_copy: bool = False

    def register(self, store: type) -> None:
        """Make instances of ``store`` pass the SDK's ``isinstance(store, TokenStore)``.

        It becomes a virtual subclass: nothing of the SDK's class is inherited.
        """
        self.store_type.register(store)

    def is_token(self, thing: object) -> bool:
        """Tell whether this is a token of the SDK."""
        return isinstance(thing, self.token_type)

    def read(self, token: object) -> TokenRecord:
        """Return what the SDK's token holds.

        Raises:
            TokenTypeError: It is not a token of the SDK.
            InvalidTokenError: One of its fields cannot be stored.
        """
        if not isinstance(token, self.token_type):
            raise TokenTypeError(f"expected an {_name(self.token_type)}, got {_name(type(token))}")
        try:
            return TokenRecord.checked([get(token) for get in self.getters])
        except AttributeError as error:
            problem = InvalidTokenError(
                f"the OAuthToken was made without its constructor: it has no {error.name!r}"
            )
        except InvalidTokenError as error:
            problem = error
        # Raised anew: whatever shows a traceback's local variables would show the token's fields.
        raise problem.with_traceback(None)

    def read_user(self, user: object) -> str | None:
        """Return the name in the SDK's ``UserSignature``.

        Raises:
            TokenTypeError: It is none of the SDK's.
            InvalidTokenError: The name cannot be stored.
        """
        if not isinstance(user, self.user_type):
            raise TokenTypeError(f"expected a {_name(self.user_type)}, got {_name(type(user))}")
        name = self.user_name(user)
        return None if name is None else check_text("user_name", name)

    def fill(self, token: Any, values: Mapping[str, str | int]) -> None:  # noqa: ANN401 - untyped SDK
        """Set fields of the SDK's token."""
        for name, value in values.items():
            if name in self.setters:
                self.setters[name](token, value)

    def build(self, record: TokenRecord) -> Any:  # noqa: ANN401 - untyped SDK
        """Make a token that the SDK can use: without its constructor it would lack fields."""
        token = self.new_token()
        self.fill(token, record.known())
        return token

    def error(self, operation: str, cause: TokenStoreError) -> Exception:
        """Return an ``SDKException`` with the SDK's code and message, and our error as cause.

        Args:
            operation: The method of the store that failed.
            cause: What happened.
        """
        message = self.messages[operation]
        if operation.endswith("_by_id") and isinstance(cause, (UnknownIdError, TokenTypeError)):
            message = self.unknown_id or message
        return self.error_type(self.error_code, f"{message}: ", cause=cause)


def in_order(getters: Mapping[str, Callable[[Any], object]]) -> Getters:
    """Return the getters in the order of the record; what an SDK does not have is absent."""
    return tuple(getters.get(name, _absent) for name in FIELDS)


def accessors(
    token_type: type, names: Mapping[str, str]
) -> tuple[dict[str, Callable[[Any], object]], dict[str, Callable[[Any, Any], None]]]:
    """Return how fields are read and set through the SDK's ``get_`` and ``set_`` methods.

    They are the class's functions, because ``merge_objects`` of contract C leaves the bound methods
    of one token on another.

    Args:
        token_type: The SDK's ``OAuthToken``.
        names: Our names of the fields, and the SDK's.
    """
    getters = {name: getattr(token_type, f"get_{theirs}") for name, theirs in names.items()}
    setters = {name: getattr(token_type, f"set_{theirs}") for name, theirs in names.items()}
    # The SDKs call int() or len() on the expiry: only text goes through both.
    set_expiry = setters["expiry"]
    return getters, setters | {"expiry": lambda token, expiry: set_expiry(token, str(expiry))}


def messages(constants: type) -> dict[str, str]:
    """Return the SDK's own message for each method of a store, out of its ``Constants``."""
    return {
        method: getattr(constants, f"{name}_DB_ERROR")
        for method, name in {
            "find_token": "GET_TOKEN",
            "find_token_by_id": "GET_TOKEN",
            "get_token": "GET_TOKEN",
            "get_token_by_id": "GET_TOKEN",
            "save_token": "SAVE_TOKEN",
            "delete_token": "DELETE_TOKEN",
            "get_tokens": "GET_TOKENS",
            "delete_tokens": "DELETE_TOKENS",
        }.items()
    }


def _absent(_token: object) -> None:
    return None


def _name(kind: type) -> str:
    """Name a class, with its package where two SDKs have one of that name."""
    package = kind.__module__.split(".")[0]
    return kind.__name__ if package == "builtins" else f"{package}'s {kind.__name__}"
