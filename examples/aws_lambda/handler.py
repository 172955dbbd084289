"""AWS Lambda: one store for all calls of a container, and a file system that is read-only."""

import os
from typing import Any

from zohocrmsdk.src.com.zoho.crm.api.record import RecordOperations

from zoho_tokenstore import SQLAlchemyTokenStore

# The SDK writes its descriptions of fields to where the process runs, which is read-only here.
os.chdir(os.environ.get("SDK_FOLDER", "/tmp"))  # noqa: S108 - Lambda's only writable folder

store = SQLAlchemyTokenStore.from_env(create=False, connections=1)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Read a lead as the user that the event names."""
    with store.acting_as(event["user_name"]):
        record = RecordOperations("Leads").get_record(event["lead"]).get_object().get_data()[0]
    return {"Email": record.get_key_value("Email")}
