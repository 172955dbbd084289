"""The installed SDK, seen from the tests: its tokens and errors, and an application on it."""

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from zoho_tokenstore.sdk import load
from zoho_tokenstore.sdk.installed import PACKAGES
from zoho_tokenstore.testing import LocalZoho

CONTRACTS = {"A": "zcrmsdk 3", "B": "zohocrmsdk2-0, 2-1", "C": "zohocrmsdk5-0 to 8-0"}
DISTRIBUTIONS = (
    "zcrmsdk",
    "zohocrmsdk2-0",
    "zohocrmsdk2-1",
    "zohocrmsdk5-0",
    "zohocrmsdk6-0",
    "zohocrmsdk7-0",
    "zohocrmsdk8-0",
)

SDK = load(os.environ.get("TEST_SDK"))
"""The binding of the SDK that the tests run with."""

PACKAGE = SDK.token_type.__module__.split(".")[0]
assert PACKAGE in PACKAGES


def imported(path: str, name: str) -> Any:
    return getattr(import_module(f"{PACKAGE}.src.com.zoho.{path}"), name)


MODULES = (
    f"zoho_tokenstore.sdk.contract_{SDK.contract.lower()}",
    f"{PACKAGE}.src.com.zoho.crm.api.record",
)
"""What takes long to import."""

OAuthToken: Any = SDK.token_type
UserSignature: Any = SDK.user_type
SDKException: Any = SDK.error_type
Initializer = imported("crm.api.initializer", "Initializer")
DataCenter = imported("crm.api.dc.data_center", "DataCenter")
RecordOperations = imported("crm.api.record", "RecordOperations")
SDKConfig = imported("crm.api.sdk_config", "SDKConfig")
Logger = imported("api.logger", "Logger")


def installed_release() -> tuple[str, str]:
    """Return the distribution that the package belongs to, and its version."""
    for name in DISTRIBUTIONS:
        if (PACKAGE == "zcrmsdk") == name.startswith(("zcrmsdk", "zohocrmsdk2")):
            try:
                return name, version(name)
            except PackageNotFoundError:
                pass
    raise AssertionError(f"no distribution of {PACKAGE} is known")


DISTRIBUTION, VERSION = installed_release()

NAMES_USERS = DISTRIBUTION in ("zohocrmsdk6-0", "zohocrmsdk7-0", "zohocrmsdk8-0")
"""It asks Zoho for the user's name after a login, and swallows what a save raises."""

REVOKES = (DISTRIBUTION, int(VERSION.split(".")[0])) >= ("zohocrmsdk8-0", 7)
"""Its revoke(id) looks the token up by its id; before, it fails before it asks the store."""

THEIR_NAMES = {"expiry": "expires_in"}


def _setter(name: str) -> Callable[[Any, Any], None]:
    theirs = THEIR_NAMES.get(name, name)
    if SDK.contract == "A":
        return lambda token, value: setattr(token, theirs, value)
    setter: Callable[[Any, Any], None] = getattr(OAuthToken, f"set_{theirs}")
    return setter


SETTERS = {
    name: _setter(name)
    for name in (
        "id",
        "client_id",
        "client_secret",
        "refresh_token",
        "access_token",
        "grant_token",
        "redirect_url",
        "expiry",
        *(["api_domain"] if SDK.contract == "C" else []),
    )
}
"""The SDK's own way to set each field; fields that it does not have are missing."""


def new_token(**fields: Any) -> Any:
    """Make a token as an application does: through the constructor, with a client."""
    if SDK.contract != "A":
        client = {} if "id" in fields else {"client_id": "id", "client_secret": "secret"}
        return OAuthToken(**client | fields)
    types = imported("api.authenticator.oauth_token", "TokenType")
    redirect_url = fields.pop("redirect_url", None)
    ((kind, value),) = fields.items()
    kind = types.GRANT if kind == "grant_token" else types.REFRESH
    return OAuthToken("id", "secret", value, kind, redirect_url)


@dataclass
class Application:
    """An application on the SDK: one process's worth of ``Initializer``."""

    zoho: LocalZoho
    store: Any
    folder: Path

    def initialize(self, token: Any, email: str = "alice@example.com") -> Any:
        """Go on as a user; contracts A and B are told who it is."""
        named = {"name": "LOCAL"} if "name" in parameters(DataCenter.Environment) else {}
        environment = DataCenter.Environment(
            self.zoho.url, self.zoho.accounts_url, self.zoho.url, **named
        )
        user = {} if SDK.contract == "C" else {"user": UserSignature(email)}
        log = str(self.folder / "sdk.log")  # its default is a file where the process runs
        logger = {"logger": Logger(Logger.Levels.INFO, log)} if SDK.contract != "C" else {}
        Initializer.initialize(
            **user,
            environment=environment,
            token=token,
            store=self.store,
            sdk_config=SDKConfig(auto_refresh_fields=False, pick_list_validation=False),
            resource_path=str(self.folder),
            **logger,
        )
        return token

    def visit(self, token: Any, email: str) -> str:
        """Go on as a user and read a record."""
        self.initialize(token, email)
        return self.read_record()

    def log_in(self, email: str = "alice@example.com", **options: Any) -> Any:
        """Log a user in with a new grant token; the older SDKs do so at the first call."""
        token = new_token(grant_token=self.zoho.grant(email), redirect_url="https://r", **options)
        assert self.visit(token, email) == email
        return token

    @staticmethod
    def read_record() -> str:
        """Read a record; the mail address in it is that of the access token's user."""
        if "module_api_name" in parameters(RecordOperations):
            response = RecordOperations("Leads").get_record(1)
        else:
            response = RecordOperations().get_record(1, "Leads")
        assert response.get_status_code() == 200, response.get_object()
        email: str = response.get_object().get_data()[0].get_key_value("Email")
        return email


def parameters(kind: Any) -> set[str]:
    return set(inspect.signature(kind).parameters)


def save(store: Any, token: Any, email: str) -> None:
    """Save a token as this SDK does."""
    if SDK.contract == "C":
        store.save_token(token)
    else:
        store.save_token(UserSignature(email), token)


def forget() -> None:
    """Leave the SDK as a new process finds it."""
    Initializer.initializer = None
    Initializer.LOCAL.init = None


def user_name(email: str) -> str | None:
    """Return the name under which a login of this user is stored."""
    if SDK.contract == "C":
        return f"{email}:60001234567" if NAMES_USERS else None
    return email


def same_user_again(email: str = "alice@example.com") -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Return the ways in which a new process can name a stored login, from what is stored."""
    ways: dict[str, Callable[[dict[str, Any]], Any]] = {
        "grant": lambda row: new_token(grant_token=row["grant_token"]),
        "refresh": lambda row: new_token(refresh_token=row["refresh_token"]),
    }
    if SDK.contract != "A":
        ways["id"] = lambda row: OAuthToken(id=row["id"])
    if NAMES_USERS:
        ways["user"] = lambda _: OAuthToken(user_signature=UserSignature(user_name(email)))
    return ways
