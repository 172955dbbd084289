"""The commands that remove stored tokens: delete, revoke, purge."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from zoho_tokenstore.cli.console import data, messages, progress_bar, quantity
from zoho_tokenstore.cli.options import (
    AccountsUrl,
    Json,
    Yes,
    confirm,
    on_table,
    open_table,
)
from zoho_tokenstore.cli.users import missing_user
from zoho_tokenstore.errors import ConfigurationError, RevocationError, UnknownIdError
from zoho_tokenstore.settings import Settings, parse_duration
from zoho_tokenstore.storage.ids import complete_ids
from zoho_tokenstore.storage.maintenance import delete_undecryptable, undecryptable_tokens
from zoho_tokenstore.storage.queries import RowCondition, TokenQueries
from zoho_tokenstore.storage.tables import TokenTables
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.zoho.revocation import revoke as revoke_at_zoho

__all__ = ["register"]

IDS_HELP: Final = "{} the tokens whose ids are, or begin with, these."
ExpiredFor = Annotated[
    str | None,
    typer.Option(
        "--expired-for",
        help="Delete tokens whose access token expired longer ago than this, for example 30d.",
    ),
]
IdleFor = Annotated[
    str | None,
    typer.Option(
        "--idle-for",
        help="Delete tokens that were not saved or found for this long, for example 90d.",
    ),
]
AuditOlderThan = Annotated[
    str | None,
    typer.Option(
        "--audit-older-than",
        help="Delete audit log entries that are older than this, for example 365d.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(delete)
    app.command()(revoke)
    app.command()(purge)


@on_table
def delete(
    settings: Settings,
    *,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]…", help=IDS_HELP.format("Delete"))
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Delete all tokens of this user.")
    ] = None,
    unreadable: Annotated[
        bool,
        typer.Option("--unreadable", help="Delete the tokens that no key of the keyring decrypts."),
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Delete all tokens.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete stored tokens without revoking them: Zoho still accepts them."""
    if bool(ids) + (user is not None) + unreadable + everything != 1:
        raise ConfigurationError("specify exactly one of ID, --user, --unreadable and --all")
    with open_table(settings) as opened:
        if unreadable:
            _report(as_json=as_json, deleted=_delete_unreadable(opened, yes=yes))
            return
        queries = TokenQueries(opened.database, opened.table)
        chosen = queries.all_rows() if everything else _chosen_rows(opened, ids, user)
        confirm(f"{quantity(queries.count_rows(chosen), 'token')} would be deleted", yes=yes)
        deleted = opened.deletion.delete_where(opened.database, chosen, event="deleted")
    _report(as_json=as_json, deleted=deleted)


@on_table
def revoke(
    settings: Settings,
    *,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]…", help=IDS_HELP.format("Revoke"))
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Revoke all tokens of this user.")
    ] = None,
    accounts_url: AccountsUrl = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Revoke tokens at Zoho and delete them; a token that Zoho does not revoke stays stored."""
    if bool(ids) == (user is not None):
        raise ConfigurationError("specify exactly one of ID and --user")
    with open_table(settings) as opened:
        tokens = _chosen_tokens(opened, ids, user)
        confirm(f"{quantity(len(tokens), 'token')} would be revoked and deleted", yes=yes)
        revoked = sum(_revoke_and_remove(opened, token, accounts_url) for token in tokens)
    failed = len(tokens) - revoked
    _report(as_json=as_json, revoked=revoked, failed=failed)
    if failed:
        raise typer.Exit(1)


@on_table
def purge(
    settings: Settings,
    *,
    expired_for: ExpiredFor = None,
    idle_for: IdleFor = None,
    audit_older_than: AuditOlderThan = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be deleted; delete nothing.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete unused tokens and old audit log entries, for example from a cron job."""
    now = datetime.now(UTC)
    expired = _time_before(now, expired_for, "--expired-for")
    idle = _time_before(now, idle_for, "--idle-for")
    oldest_entry = _time_before(now, audit_older_than, "--audit-older-than")
    if expired is None and idle is None and oldest_entry is None:
        raise ConfigurationError(
            "specify at least one of --expired-for, --idle-for, --audit-older-than"
        )
    with open_table(settings) as opened:
        queries = TokenQueries(opened.database, opened.table)
        chosen = queries.unused_rows(expired=expired, idle=idle)
        tokens, entries = (queries.count_rows(chosen), _count_entries(opened, oldest_entry))
        if not dry_run:
            counted = f"{quantity(tokens, 'token')} and "
            counted += quantity(entries, "audit log entry", "audit log entries")
            confirm(f"{counted} would be deleted", yes=yes)
            tokens = _purge_tokens(opened, chosen, tokens)
            entries = _trim_audit(opened, oldest_entry)
    _report(as_json=as_json, tokens=tokens, audit=entries)


def _chosen_rows(opened: TokenTables, ids: Sequence[str] | None, user: str | None) -> RowCondition:
    """Return the condition for the rows of a user, or with these ids.

    Raises:
        UnknownIdError: A token does not exist.
        AmbiguousTokenError: The first characters of an id are those of several.
    """
    queries = TokenQueries(opened.database, opened.table)
    if user is not None:
        chosen = queries.rows_of_user(user)
        if not queries.count_rows(chosen):
            raise UnknownIdError(missing_user(queries, user))
        return chosen
    try:
        return queries.rows_with_ids(complete_ids(opened.database, opened.table, ids or ()))
    except UnknownIdError as error:
        raise UnknownIdError(f"{error}; nothing was changed") from None


def _chosen_tokens(
    opened: TokenTables, ids: Sequence[str] | None, user: str | None
) -> list[TokenRecord]:
    queries = TokenQueries(opened.database, opened.table)
    found = (
        opened.database.read(opened.tokens.find_row, TokenRecord(id=token_id))
        for token_id in queries.row_ids(_chosen_rows(opened, ids, user))
    )
    return [token for token in found if token is not None]


def _revoke_and_remove(opened: TokenTables, token: TokenRecord, accounts_url: str | None) -> bool:
    """Revoke a token and delete it; return whether Zoho has revoked it."""
    try:
        revoke_at_zoho(token, accounts_url)
    except RevocationError as error:
        messages.print(f"token {token.id!r} is not revoked: {error}", style="red")
        return False
    opened.database.write(opened.deletion.delete_ids, [token.id or ""], "revoked")
    return True


def _time_before(now: datetime, duration: str | None, option: str) -> datetime | None:
    parsed = parse_duration(duration, option)
    return None if parsed is None else now - parsed


def _delete_unreadable(opened: TokenTables, *, yes: bool) -> int:
    if opened.keyring is None:
        raise ConfigurationError(
            "encryption keys missing: set ZOHO_TOKENSTORE_KEYS, so that only tokens that they do "
            "not decrypt are deleted"
        )
    errors = undecryptable_tokens(opened.database, opened.tokens)
    for error in errors:
        messages.print(str(error))
    confirm(f"{quantity(len(errors), 'token')} would be deleted", yes=yes)
    ids = [key for error in errors for key in error.token_ids]
    return delete_undecryptable(opened.database, opened.tokens, opened.deletion, ids)


def _purge_tokens(opened: TokenTables, chosen: RowCondition, total: int) -> int:
    with progress_bar() as progress:
        task = progress.add_task("deleting tokens", total=total)
        return opened.deletion.delete_where(
            opened.database, chosen, on_rows=lambda number: progress.advance(task, number)
        )


def _count_entries(opened: TokenTables, before: datetime | None) -> int:
    if before is None:
        return 0
    return opened.database.read(opened.audit.count_entries, before)


def _trim_audit(opened: TokenTables, before: datetime | None) -> int:
    trimmed = 0
    while before and (number := opened.database.write(opened.audit.delete_entries, before)):
        trimmed += number
    return trimmed


def _report(*, as_json: bool, **counts: int) -> None:
    if as_json:
        data.print(json.dumps(counts))
    else:
        data.print(", ".join(f"{name}: {number}" for name, number in counts.items()))
