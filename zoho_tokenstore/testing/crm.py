"""The CRM's API of the local Zoho: users, organization, fields, and the records of each user."""

import itertools
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from zoho_tokenstore.testing.accounts import ORG_ID, Response
from zoho_tokenstore.testing.calls import Answer, Call, CallKind, is_allowed, kind_of

__all__ = ["CRM"]

Record: TypeAlias = dict[str, Any]

REQUIRED: Final = {
    "Leads": ("Last_Name",),
    "Accounts": ("Account_Name",),
    "Contacts": ("Last_Name",),
    "Deals": ("Deal_Name", "Stage"),
}
"""The fields that a new record of each module needs; a custom module needs none here
(https://www.zoho.com/crm/developer/docs/api/v8/insert-records.html)."""

FIELDS: Final = {
    "First_Name": "text",
    "Last_Name": "text",
    "Email": "email",
    "Phone": "phone",
    "Company": "text",
    "Description": "textarea",
}

CRITERION: Final = re.compile(r"(\w+):(equals|starts_with):([^()]*)")
NOT_UNDERSTOOD: Final = re.compile(r"(?!\b(?:and|or)\b)\b\w+")
"""What is left of a search when its criteria and their connectives are taken out."""

SEARCHES: Final = ("criteria", "email", "phone", "word")


class CRM:
    """The data of all users: each sees their own records alone.

    Until a user has records in a module, every id is answered with a record that has the user's
    mail address.
    """

    def __init__(self) -> None:
        """Start without records."""
        self._records: dict[tuple[str, str], dict[str, Record]] = {}
        self._ids = itertools.count(700001)
        self._lock = threading.Lock()
        self._answers: dict[CallKind, Callable[[Call], Answer]] = {
            "user": _user,
            "org": _organization,
            "modules": _modules,
            "fields": _fields,
            "unknown": _unknown,
            "record": self._read,
            "list": self._list,
            "search": self._search,
            "create": self._create,
            "update": self._update,
            "delete": self._delete,
        }

    def add_records(self, email: str, module: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Give a user records in a module, such as ``Leads``."""
        with self._lock:
            for fields in records:
                self._add((email, module), fields)

    def answer(self, call: Call, scopes: Sequence[str] | None) -> Answer:
        """Answer a request of a user whose token has these scopes, ``None`` for everything."""
        kind = kind_of(call)
        if scopes is not None and not is_allowed(call, scopes):
            error = _failure("OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL")
            return Answer(kind, 401, error)
        return self._answers[kind](call)

    def _own(self, call: Call) -> dict[str, Record]:
        with self._lock:
            return dict(self._records.get((call.account.email, call.module), {}))

    def _read(self, call: Call) -> Answer:
        record = self._own(call).get(call.key)
        if (call.account.email, call.module) not in self._records:
            names = dict.fromkeys(REQUIRED.get(call.module, ()), "Doe")
            record = {"id": call.key, "Email": call.account.email, **names}
        if record is None:
            return Answer("record", 204, None)
        return Answer("record", 200, {"data": [record]})

    def _list(self, call: Call) -> Answer:
        return _page("list", list(self._own(call).values()), call.query)

    def _search(self, call: Call) -> Answer:
        if not any(call.query.get(name) for name in SEARCHES):
            return Answer("search", 400, _failure("REQUIRED_PARAM_MISSING", "criteria"))
        if NOT_UNDERSTOOD.search(CRITERION.sub("", call.query.get("criteria", ""))):
            return Answer("search", 400, _failure("INVALID_QUERY", "invalid query formed"))
        found = [each for each in self._own(call).values() if _fits(each, call.query)]
        return _page("search", found, call.query)

    def _create(self, call: Call) -> Answer:
        results = []
        with self._lock:
            for number, fields in enumerate(call.records):
                missing = _missing_field(call.module, number, fields)
                own = (call.account.email, call.module)
                results.append(missing or _success("record added", self._add(own, fields)))
        return _results("create", results, 201)

    def _update(self, call: Call) -> Answer:
        results = []
        with self._lock:
            own = self._records.get((call.account.email, call.module), {})
            for fields in call.records:
                record = own.get(call.key or str(fields.get("id")))
                if record is None:
                    results.append(_failure("INVALID_DATA", "the id given seems to be invalid"))
                else:
                    record |= {k: v for k, v in fields.items() if k != "id"}
                    results.append(_success("record updated", record))
        return _results("update", results, 200)

    def _delete(self, call: Call) -> Answer:
        with self._lock:
            record = self._records.get((call.account.email, call.module), {}).pop(call.key, None)
        if record is None:
            return _results("delete", [_failure("INVALID_DATA", "record not deleted")], 200)
        return _results("delete", [_success("record deleted", record)], 200)

    def _add(self, own: tuple[str, str], fields: Mapping[str, Any]) -> Record:
        key = str(next(self._ids))
        record = self._records.setdefault(own, {})[key] = {**fields, "id": key}
        return record


def _page(kind: CallKind, records: Sequence[Record], query: Mapping[str, str]) -> Answer:
    page, size = _number(query, "page", 1), _number(query, "per_page", 200)
    shown = records[(page - 1) * size : page * size]
    if not shown:
        return Answer(kind, 204, None)
    more = len(records) > page * size
    info = {"per_page": size, "count": len(shown), "page": page, "more_records": more}
    return Answer(kind, 200, {"data": shown, "info": info})


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    return max(int(text), 1) if text.isdecimal() else default


def _fits(record: Record, query: Mapping[str, str]) -> bool:
    """Return whether a record is what ``criteria``, ``email``, ``phone`` or ``word`` asks for."""
    if criteria := query.get("criteria"):
        found = [_meets(record, *part) for part in CRITERION.findall(criteria)]
        return bool(found) and (any if ")or(" in criteria else all)(found)
    for name in ("Email", "Phone"):
        if wanted := query.get(name.lower()):
            return str(record.get(name, "")).casefold() == wanted.casefold()
    word = query.get("word", "").casefold()
    return bool(word) and any(word in str(value).casefold() for value in record.values())


def _meets(record: Record, field: str, operator: str, wanted: str) -> bool:
    value, wanted = str(record.get(field, "")).casefold(), wanted.casefold()
    return value == wanted if operator == "equals" else value.startswith(wanted)


def _missing_field(module: str, number: int, fields: Mapping[str, Any]) -> Response | None:
    """Return the error of a new record that lacks a field, ``None`` if it lacks none."""
    missing = [name for name in REQUIRED.get(module, ()) if not fields.get(name)]
    if not missing:
        return None
    details = {"api_name": missing[0], "json_path": f"$.data[{number}].{missing[0]}"}
    return _failure("MANDATORY_NOT_FOUND", "required field not found") | {"details": details}


def _failure(code: str, message: str) -> Response:
    return {"code": code, "details": {}, "message": message, "status": "error"}


def _success(message: str, record: Record) -> Response:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    details = {"id": record["id"], "Created_Time": now, "Modified_Time": now}
    return {"code": "SUCCESS", "details": details, "message": message, "status": "success"}


def _results(kind: CallKind, results: Sequence[Response], status: int) -> Answer:
    if not results:
        return Answer(kind, 400, _failure("INVALID_DATA", "body"))
    good = all(result["status"] == "success" for result in results)
    return Answer(kind, status if good else 202, {"data": list(results)})


def _user(call: Call) -> Answer:
    email = call.account.email
    user = {"id": "700001", "email": email, "full_name": email}
    return Answer("user", 200, {"users": [user]})


def _organization(_: Call) -> Answer:
    org = {"id": "600001", "zgid": ORG_ID, "company_name": "Local"}
    return Answer("org", 200, {"org": [org]})


def _modules(_: Call) -> Answer:
    modules = [
        {"id": f"40000{number}", "api_name": name, "module_name": name, "api_supported": True}
        | {"generated_type": "default"}
        for number, name in enumerate(REQUIRED)
    ]
    return Answer("modules", 200, {"modules": modules})


def _fields(call: Call) -> Answer:
    required = dict.fromkeys(REQUIRED.get(call.query.get("module", ""), ()), "text")
    fields = [
        {"id": f"50000{number}", "api_name": name, "data_type": kind, "field_label": name}
        for number, (name, kind) in enumerate((FIELDS | required).items())
    ]
    return Answer("fields", 200, {"fields": fields})


def _unknown(_: Call) -> Answer:
    wrong = "Please check if the URL trying to access is a correct one"
    return Answer("unknown", 404, _failure("INVALID_URL_PATTERN", wrong))
