"""The command that refreshes a user's access token now."""

import json
from typing import Annotated

import typer

from zoho_tokenstore.cli.console import data
from zoho_tokenstore.cli.options import AccountsUrl, Json, on_table, open_table
from zoho_tokenstore.cli.users import missing_user
from zoho_tokenstore.errors import UnknownUserError
from zoho_tokenstore.sdk import any_installed
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.queries import TokenQueries
from zoho_tokenstore.store import SQLAlchemyTokenStore

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(refresh)


@on_table
def refresh(
    settings: Settings,
    *,
    user: Annotated[str, typer.Option("--user", help="Refresh the token of this user.")],
    client: Annotated[
        str | None,
        typer.Option("--client", help="The client id, for a user who has logged in to several."),
    ] = None,
    accounts_url: AccountsUrl = None,
    as_json: Json = False,
) -> None:
    """Refresh an access token now, even one that is valid, and even after Zoho has refused it.

    Use it when Zoho rejects a token before its expiry, or after a client secret has been put right.
    If Zoho refuses, the stored token stays as it is.
    """
    names = settings.token_schema
    store = SQLAlchemyTokenStore(
        settings.url,
        table=names.name,
        schema=names.namespace,
        create=False,
        sdk=any_installed(),
        **settings.store_options | ({"accounts_url": accounts_url} if accounts_url else {}),
    )
    try:
        with store:
            token = store.refresh_now(user, client_id=client)
    except UnknownUserError as error:
        with open_table(settings) as opened:
            queries = TokenQueries(opened.database, opened.table)
            if queries.names_of_mail(user):
                raise UnknownUserError(missing_user(queries, user)) from error
        raise
    expires = None if token.expires_at is None else f"{token.expires_at:%Y-%m-%d %H:%M:%SZ}"
    if as_json:
        data.print(json.dumps({"user_name": token.user_name, "expires": expires}))
    else:
        data.print(f"refreshed, expires {expires}")
