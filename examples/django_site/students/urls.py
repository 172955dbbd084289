"""One page: the leads of the user who is logged in."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path
from zohocrmsdk.src.com.zoho.crm.api.parameter_map import ParameterMap
from zohocrmsdk.src.com.zoho.crm.api.record import GetRecordsParam, RecordOperations

from students.tokens import store
from zoho_tokenstore.errors import UnknownUserError


def list_leads(request: HttpRequest) -> JsonResponse:
    """Answer with the leads, or 401 for a user without a login."""
    parameters = ParameterMap()
    parameters.add(GetRecordsParam.fields, "Last_Name,Email")
    name = request.headers.get("X-User", "")  # of your session, in an application of yours
    try:
        with store().acting_as(name):
            response = RecordOperations("Leads").get_records(parameters)
    except UnknownUserError:
        return JsonResponse({"detail": "log in with Zoho"}, status=401)
    records: list[Any] = []
    if response.get_status_code() == 200:
        records = response.get_object().get_data()
    return JsonResponse({"leads": [record.get_key_value("Last_Name") for record in records]})


urlpatterns = [path("leads", list_leads)]
