"""The commands that remove stored tokens: delete, revoke, purge."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer
from sqlalchemy import ColumnElement, false, func, or_, select, true

from zoho_tokenstore.cli.console import data, messages, progress_bar
from zoho_tokenstore.cli.options import (
    Json,
    Yes,
    confirm,
    on_table,
    opened_table,
    span,
)
from zoho_tokenstore.errors import ConfigurationError, RevocationError, UnknownIdError
from zoho_tokenstore.settings import Settings
from zoho_tokenstore.storage.retention import expired_before, idle_since
from zoho_tokenstore.storage.tables import TokenTables
from zoho_tokenstore.tokens.digests import digest
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.zoho.revocation import revoke as revoke_at_zoho

__all__ = ["register"]

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="Ids of tokens.")]
User = Annotated[str | None, typer.Option("--user", help="All tokens of this user.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(delete)
    app.command()(revoke)
    app.command()(purge)


@on_table
def delete(
    settings: Settings,
    *,
    ids: Ids = None,
    user: User = None,
    everything: Annotated[bool, typer.Option("--all", help="Every token.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete stored tokens; Zoho goes on accepting them."""
    _check_choice(ids, user, everything=everything)
    with opened_table(settings) as opened:
        chosen = true() if everything else _chosen(opened, ids, user)
        number = _count(opened, chosen)
        confirm(f"{number} tokens will be deleted", yes=yes)
        deleted = opened.deletion.delete_where(opened.database, chosen, event="deleted")
    _report(as_json=as_json, deleted=deleted)


@on_table
def revoke(
    settings: Settings,
    *,
    ids: Ids = None,
    user: User = None,
    accounts_url: Annotated[
        str | None,
        typer.Option(
            "--accounts-url",
            help="Zoho's token endpoint; without it the tokens' data centres decide.",
            show_default=False,
        ),
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Revoke tokens at Zoho, and delete them; what Zoho does not revoke stays."""
    _check_choice(ids, user)
    revoked, failed = 0, 0
    with opened_table(settings) as opened:
        chosen = _find_each(opened, _ids(opened, _chosen(opened, ids, user)))
        confirm(f"{len(chosen)} tokens will be revoked and deleted", yes=yes)
        for token in chosen:
            try:
                revoke_at_zoho(token, accounts_url)
            except RevocationError as error:
                messages.print(f"token {token.id} stays: {error}", style="red")
                failed += 1
                continue
            remove = partial(opened.deletion.delete_ids, keys=[token.id or ""], event="revoked")
            opened.database.write(remove)
            revoked += 1
    _report(as_json=as_json, revoked=revoked, failed=failed)
    if failed:
        raise typer.Exit(1)


@on_table
def purge(
    settings: Settings,
    *,
    expired_for: Annotated[
        str | None,
        typer.Option("--expired-for", help="Tokens that expired so long ago, such as 30d."),
    ] = None,
    idle_for: Annotated[
        str | None,
        typer.Option("--idle-for", help="Tokens that nobody has saved or found for so long."),
    ] = None,
    audit_older_than: Annotated[
        str | None, typer.Option("--audit-older-than", help="Entries of the audit, such as 365d.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete tokens that nobody uses any more, and old entries of the audit; made for cron."""
    now = datetime.now(UTC)
    expired = span(expired_for, "--expired-for")
    idle = span(idle_for, "--idle-for")
    audit = span(audit_older_than, "--audit-older-than")
    if not (expired or idle or audit):
        raise ConfigurationError("say what: --expired-for, --idle-for or --audit-older-than")
    with opened_table(settings) as opened:
        chosen = or_(
            false(),
            *([expired_before(opened.table, now - expired)] if expired else []),
            *([idle_since(opened.table, now - idle)] if idle else []),
        )
        tokens = _count(opened, chosen)
        entries = 0 if audit is None else _count_entries(opened, now - audit)
        if not dry_run:
            confirm(f"{tokens} tokens and {entries} entries of the audit will go", yes=yes)
            with progress_bar() as progress:
                task = progress.add_task("purging", total=tokens)
                tokens = opened.deletion.delete_where(
                    opened.database, chosen, on_rows=lambda number: progress.advance(task, number)
                )
            entries = 0 if audit is None else _trim(opened, now - audit)
    _report(as_json=as_json, tokens=tokens, audit=entries)


def _check_choice(ids: Sequence[str] | None, user: str | None, *, everything: bool = False) -> None:
    if bool(ids) + (user is not None) + everything != 1:
        raise ConfigurationError("say which tokens: by their ids or by --user, one of these")


def _chosen(
    opened: TokenTables, ids: Sequence[str] | None, user: str | None
) -> ColumnElement[bool]:
    """Return the condition of the rows that are named.

    Raises:
        UnknownIdError: There is no such token.
    """
    if user is not None:
        chosen = opened.table.c.user_digest == digest("user_name", user)
    else:
        digests = {digest("id", key): key for key in ids or ()}
        column = opened.table.c.id_digest
        chosen = column.in_(digests)
        found = select(column).where(chosen)
        for known in opened.database.read(lambda s: s.scalars(found).all()):
            digests.pop(known)
        if digests:
            missing = ", ".join(map(repr, digests.values()))
            raise UnknownIdError(f"no token is stored under the id {missing}; nothing was done")
    if not _count(opened, chosen):
        raise UnknownIdError(f"no token is stored of the user {user!r}")
    return chosen


def _ids(opened: TokenTables, chosen: ColumnElement[bool]) -> Sequence[str]:
    return opened.database.read(
        lambda session: session.scalars(select(opened.table.c.id).where(chosen)).all()
    )


def _find_each(opened: TokenTables, ids: Sequence[str]) -> list[TokenRecord]:
    found = (
        opened.database.read(partial(opened.tokens.find_row, token=TokenRecord(id=key)))
        for key in ids
    )
    return [token for token in found if token is not None]


def _count(opened: TokenTables, chosen: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(opened.table).where(chosen)
    return opened.database.read(lambda session: session.scalar(query) or 0)


def _count_entries(opened: TokenTables, before: datetime) -> int:
    return opened.database.read(lambda session: opened.audit.count_entries(session, before))


def _trim(opened: TokenTables, before: datetime) -> int:
    trimmed = 0
    while number := opened.database.write(partial(opened.audit.delete_entries, before=before)):
        trimmed += number
    return trimmed


def _report(*, as_json: bool, **counts: int) -> None:
    if as_json:
        data.print(json.dumps(counts))
    else:
        data.print(", ".join(f"{name}: {number}" for name, number in counts.items()))
