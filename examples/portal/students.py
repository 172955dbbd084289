"""Students of an evening school: leads in Zoho CRM, read and written by the SDK."""

from typing import Any

from zohocrmsdk.src.com.zoho.crm.api.parameter_map import ParameterMap
from zohocrmsdk.src.com.zoho.crm.api.record import (
    BodyWrapper,
    Field,
    GetRecordsParam,
    Record,
    RecordOperations,
    SearchRecordsParam,
)

FIELDS = {
    "First_Name": Field.Leads.first_name(),
    "Last_Name": Field.Leads.last_name(),
    "Email": Field.Leads.email(),
    "Company": Field.Leads.company(),
}


def listed(word: str) -> list[dict[str, Any]]:
    """Return the students that the user may see, or those with a word in one of their fields."""
    parameters = ParameterMap()
    if word:
        parameters.add(SearchRecordsParam.word, word)
        return _students(RecordOperations("Leads").search_records(parameters))
    parameters.add(GetRecordsParam.fields, ",".join(FIELDS))
    return _students(RecordOperations("Leads").get_records(parameters))


def read(number: int) -> dict[str, Any] | None:
    """Return one student, ``None`` if there is none that the user may see."""
    return next(iter(_students(RecordOperations("Leads").get_record(number))), None)


def save(number: int | None, values: dict[str, str]) -> str | None:
    """Add a student, or change one; return why Zoho has refused, ``None`` if it has not."""
    operations = RecordOperations("Leads")
    if number is None:
        response = operations.create_records(_body(values))
    else:
        response = operations.update_record(number, _body(values))
    answer = response.get_object()
    (result,) = answer.get_data() if hasattr(answer, "get_data") else [answer]
    good = result.get_status().get_value() == "success"
    return None if good else result.get_message().get_value()


def _students(response: Any) -> list[dict[str, Any]]:
    if response.get_status_code() == 204:
        return []
    if response.get_status_code() != 200:
        raise RuntimeError(f"Zoho has not answered: {response.get_object().get_code()}")
    return [
        {"id": it.get_id()} | {name: it.get_key_value(name) or "" for name in FIELDS}
        for it in response.get_object().get_data()
    ]


def _body(values: dict[str, str]) -> BodyWrapper:
    record = Record()
    for name, field in FIELDS.items():
        record.add_field_value(field, values.get(name, ""))
    body = BodyWrapper()
    body.set_data([record])
    return body
