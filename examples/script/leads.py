"""A plain script: print the leads of one user, for example from a cron job."""

import sys

from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException
from zohocrmsdk.src.com.zoho.crm.api.parameter_map import ParameterMap
from zohocrmsdk.src.com.zoho.crm.api.record import GetRecordsParam, RecordOperations

from zoho_tokenstore import SQLAlchemyTokenStore, TokenStoreError


def main(user_name: str) -> None:
    """Print a line for each lead."""
    parameters = ParameterMap()
    parameters.add(GetRecordsParam.fields, "Last_Name,Email")
    with SQLAlchemyTokenStore.from_env() as store, store.acting_as(user_name):
        response = RecordOperations("Leads").get_records(parameters)
    if response.get_status_code() == 204:
        return
    for record in response.get_object().get_data():
        print(record.get_key_value("Last_Name"), record.get_key_value("Email"), sep="\t")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (SDKException, TokenStoreError) as error:
        sys.exit(f"{sys.argv[0]}: {error}")
