"""The command that serves a local Zoho as a process of its own."""

import signal
import threading
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from zoho_tokenstore.cli.console import data, flush_output
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.testing import ZOHO_LIMITS, LocalZoho

__all__ = ["register"]

LEADS: Final = (
    {"First_Name": "Mary", "Last_Name": "Jones", "Company": "Harbor School"},
    {"First_Name": "Samuel", "Last_Name": "Okafor", "Company": "Evening Class"},
    {"First_Name": "Ines", "Last_Name": "Marques", "Company": "Evening Class"},
)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="local-zoho")(local_zoho)


def local_zoho(
    *,
    port: Annotated[int, typer.Option("--port", help="Listen on this port of 127.0.0.1.")] = 8001,
    account: Annotated[
        list[str] | None,
        typer.Option(
            "--account",
            help="Offer this account at the login; repeat it for more. Default: alice@example.com "
            "and bob@example.com.",
        ),
    ] = None,
    lifetime: Annotated[
        float, typer.Option("--lifetime", help="Let access tokens expire after so many seconds.")
    ] = 3600.0,
    client_id: Annotated[
        str | None,
        typer.Option("--client-id", help="Accept only this client; needs --client-secret."),
    ] = None,
    client_secret: Annotated[
        str | None, typer.Option("--client-secret", help="The secret of the client.")
    ] = None,
    redirect_url: Annotated[
        list[str] | None,
        typer.Option(
            "--redirect-url",
            help="Accept only this redirect URL of the client; repeat it for more. Default: any.",
        ),
    ] = None,
    limits: Annotated[
        bool, typer.Option("--limits/--no-limits", help="Apply Zoho's own limits, or none.")
    ] = False,
) -> None:
    """Serve a stand-in for Zoho on this machine, to try and test an application with.

    Each account has three leads. End it with Ctrl-C.
    """
    emails = account or ["alice@example.com", "bob@example.com"]
    try:
        zoho = LocalZoho(
            port=port,
            emails=emails,
            lifetime=lifetime,
            throttle=10 if limits else None,
            limits=ZOHO_LIMITS if limits else None,
        )
    except (OSError, OverflowError) as error:
        raise ConfigurationError(f"port {port} cannot be used: {error}; pass --port") from error
    if client_id or client_secret or redirect_url:
        _register_client(zoho, client_id, client_secret, redirect_url or ())
    for email in emails:
        name = email.partition("@")[0]
        leads = [lead | {"Email": f"{lead['First_Name']}.{name}@example.org"} for lead in LEADS]
        zoho.add_records(email, "Leads", leads)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with zoho:
        data.print(f"API domain: {zoho.url}")
        data.print(f"accounts server: {zoho.accounts_url}")
        flush_output()
        ended.wait()


def _register_client(
    zoho: LocalZoho, client_id: str | None, client_secret: str | None, redirect_urls: Sequence[str]
) -> None:
    if not (client_id and client_secret):
        raise ConfigurationError(
            "a client has an id and a secret: pass --client-id and --client-secret"
        )
    zoho.accounts.register_client(client_id, client_secret, redirect_urls)
