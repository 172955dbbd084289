"""Requests to the CRM's API of the local Zoho: what they ask for, and which scope they need."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from zoho_tokenstore.testing.accounts import Account, Response

__all__ = ["INVALID_TOKEN", "Answer", "Call", "CallKind", "is_allowed", "kind_of", "parse_body"]

CallKind = Literal[
    "user",
    "org",
    "modules",
    "fields",
    "record",
    "list",
    "search",
    "create",
    "update",
    "delete",
    "unknown",
]

SCOPES: Final = {
    "user": "users.READ",
    "org": "org.READ",
    "modules": "settings.modules.READ",
    "fields": "settings.fields.READ",
    "record": "modules.{module}.READ",
    "list": "modules.{module}.READ",
    "search": "modules.{module}.READ",
    "create": "modules.{module}.CREATE",
    "update": "modules.{module}.UPDATE",
    "delete": "modules.{module}.DELETE",
}
"""The scope that each request needs, behind ``ZohoCRM.``."""

INVALID_TOKEN: Final[Response] = {
    "code": "INVALID_TOKEN",
    "details": {},
    "message": "invalid oauth token",
    "status": "error",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the CRM's API.

    Attributes:
        method: The HTTP method.
        path: The resource behind ``/crm/v<n>/``, such as ``Leads/700042``.
        query: The query parameters.
        body: The JSON in the body, an empty object if there is none.
        account: The user.
    """

    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any]
    account: Account

    @property
    def module(self) -> str:
        """Return the module of its records."""
        return self.path.partition("/")[0]

    @property
    def records(self) -> list[Mapping[str, Any]]:
        """Return the records in the body, none if it has another form."""
        data = self.body.get("data")
        if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
            return []
        return data

    @property
    def key(self) -> str:
        """Return the id of its record, an empty text without one."""
        return self.path.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the CRM's API.

    Attributes:
        kind: What was asked for.
        status: The HTTP status.
        body: The JSON in the body, ``None`` without one.
    """

    kind: CallKind
    status: int
    body: Response | None


def kind_of(call: Call) -> CallKind:
    """Return what a request asks for."""
    match call.method, call.path.split("/"):
        case "GET", ["users"]:
            return "user"
        case "GET", ["org"]:
            return "org"
        case "GET", ["settings", "modules"]:
            return "modules"
        case "GET", ["settings", "fields"]:
            return "fields"
        case method, [module, *rest] if module.isidentifier():
            return _kind_of_records(method, rest)
    return "unknown"


def _kind_of_records(method: str, rest: Sequence[str]) -> CallKind:
    is_one = len(rest) == 1 and rest[0].isdigit()
    match method, rest:
        case "GET", []:
            return "list"
        case "GET", ["search"]:
            return "search"
        case "POST", []:
            return "create"
        case "PUT", []:
            return "update"
    by_id: dict[str, CallKind] = {"GET": "record", "PUT": "update", "DELETE": "delete"}
    return by_id.get(method, "unknown") if is_one else "unknown"


def is_allowed(call: Call, scopes: Sequence[str]) -> bool:
    """Return whether one of the scopes includes the one that a request needs."""
    needed = SCOPES.get(kind_of(call), "").format(module=call.module)
    if not needed:
        return True
    return not set(_including(needed)).isdisjoint(scope.casefold() for scope in scopes)


def _including(needed: str) -> Iterator[str]:
    *area, _ = needed.casefold().split(".")
    yield f"zohocrm.{needed.casefold()}"
    for length in range(1, len(area) + 1):
        yield f"zohocrm.{'.'.join(area[:length])}.all"
        yield f"zohocrm.{'.'.join(area[:length])}.{needed.casefold().rpartition('.')[2]}"


def parse_body(data: bytes) -> Mapping[str, Any]:
    """Return the JSON object in a body, an empty one if there is none."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
