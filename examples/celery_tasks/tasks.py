"""Celery with its default pool of forked processes: one store, made before the fork."""

import os
import tempfile
from typing import Any

from celery import Celery
from celery.signals import worker_process_init
from zohocrmsdk.src.com.zoho.crm.api.record import RecordOperations

from zoho_tokenstore import SQLAlchemyTokenStore
from zoho_tokenstore.errors import RefreshThrottledError

app = Celery("tasks")
app.config_from_object(os.environ.get("CELERY_CONFIG", "celeryconfig"))

# Connections are opened in each process at its first use.
store = SQLAlchemyTokenStore.from_env()


@worker_process_init.connect
def choose_folder(**_: Any) -> None:
    """Give each process a folder of its own for what the SDK writes."""
    os.chdir(tempfile.mkdtemp(prefix="celery-"))


@app.task(autoretry_for=(RefreshThrottledError,), retry_backoff=True)
def email_of_lead(user_name: str, number: int) -> str:
    """Read a lead as a user."""
    with store.acting_as(user_name):
        record = RecordOperations("Leads").get_record(number).get_object().get_data()[0]
    return str(record.get_key_value("Email"))
