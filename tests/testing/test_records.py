"""Records of a local Zoho, listed, searched, read, created and updated by the real SDK."""

import pytest

import sdks
from sdks import Application, imported

if sdks.SDK.contract != "C":
    pytest.skip("the older SDKs name these classes differently", allow_module_level=True)

ParameterMap = imported("crm.api.parameter_map", "ParameterMap")
Record = imported("crm.api.record", "Record")
BodyWrapper = imported("crm.api.record", "BodyWrapper")
Field = imported("crm.api.record", "Field")
GetRecordsParam = imported("crm.api.record", "GetRecordsParam")
SearchRecordsParam = imported("crm.api.record", "SearchRecordsParam")
RecordOperations = sdks.RecordOperations

ALICE, BOB = "alice@example.com", "bob@example.com"


@pytest.fixture
def leads(zoho, make_store, tmp_path):
    zoho.add_records(ALICE, "Leads", [{"Last_Name": "Jones"}, {"Last_Name": "Okafor"}])
    zoho.add_records(BOB, "Leads", [{"Last_Name": "Bobson"}])
    application = Application(zoho, make_store(), tmp_path)

    def as_user(email):
        token = sdks.new_token(grant_token=zoho.grant(email), redirect_url="https://r")
        application.initialize(token, email)
        return RecordOperations("Leads")

    return as_user


def names_in(response):
    if response.get_status_code() == 204:
        return []
    return [record.get_key_value("Last_Name") for record in response.get_object().get_data()]


def listed(operations):
    parameters = ParameterMap()
    parameters.add(GetRecordsParam.fields, "Last_Name,Email")
    return names_in(operations.get_records(parameters))


def body_of(**fields):
    record = Record()
    for name, value in fields.items():
        record.add_field_value(getattr(Field.Leads, name.lower())(), value)
    body = BodyWrapper()
    body.set_data([record])
    return body


STORES = ("memory", "sqlite")


def test_each_user_lists_their_own(leads):
    assert listed(leads(ALICE)) == ["Jones", "Okafor"]
    assert listed(leads(BOB)) == ["Bobson"]


def test_records_are_searched(leads):
    operations = leads(ALICE)
    for criteria, found in {
        "(Last_Name:equals:jones)": ["Jones"],
        "(Last_Name:starts_with:O)": ["Okafor"],
        "((Last_Name:equals:Jones)or(Last_Name:equals:Okafor))": ["Jones", "Okafor"],
        "((Last_Name:equals:Jones)and(Last_Name:equals:Okafor))": [],
        "(Last_Name:equals:Bobson)": [],
    }.items():
        parameters = ParameterMap()
        parameters.add(SearchRecordsParam.criteria, criteria)
        assert names_in(operations.search_records(parameters)) == found, criteria


def test_a_record_is_created_read_and_updated(leads):
    operations = leads(ALICE)
    created = operations.create_records(body_of(Last_Name="New")).get_object().get_data()[0]
    assert created.get_status().get_value() == "success"
    number = created.get_details()["id"]
    assert names_in(operations.get_record(int(number))) == ["New"]
    updated = operations.update_record(int(number), body_of(Last_Name="Newer"))
    assert updated.get_object().get_data()[0].get_status().get_value() == "success"
    assert names_in(operations.get_record(int(number))) == ["Newer"]
    assert listed(operations) == ["Jones", "Okafor", "Newer"]
    assert listed(leads(BOB)) == ["Bobson"]
    assert names_in(leads(BOB).get_record(int(number))) == [], "another user's"
