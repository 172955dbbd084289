"""Rows as the tests of commands save them, make them older and read them."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select, update

from support import LOGIN, execute, known, login, stored
from zoho_tokenstore import Keyring, OAuthTokenRow, SQLAlchemyTokenStore
from zoho_tokenstore.schema.models import companion_table

TABLE = OAuthTokenRow.__table__
AUDIT = companion_table(TABLE, "audit")
DAY = timedelta(days=1)


def opened(url, keys=""):
    return SQLAlchemyTokenStore(url, keyring=Keyring.from_text(keys) if keys else None)


def save(url, *tokens, keys=""):
    """Save tokens; return their ids."""
    with opened(url, keys) as store:
        store.save_tokens(tokens)
    return [known(token)["id"] for token in tokens]


def file_of(url):
    return Path(url.removeprefix("sqlite:///"))


def rows(url):
    with opened(url) as store:
        return stored(store)


def users(url):
    return [user for (user,) in execute(url, select(TABLE.c.user_name).order_by("user_name"))]


def events(url):
    """Return the audited events with their users, apart from ``created``."""
    found = execute(url, select(AUDIT.c.event, AUDIT.c.user_name))
    return sorted((event, user) for event, user in found if event != "created")


def move(url, ago, *columns, user):
    """Set times of a user's token back."""
    values = dict.fromkeys(columns, datetime.now(UTC) - ago)
    execute(url, update(TABLE).where(TABLE.c.user_name == user).values(values))


def move_entries(url, ago):
    """Set the times of all audit entries back."""
    at = datetime.now(UTC) - ago
    for (key,) in execute(url, select(AUDIT.c.entry_id)):
        older = f"{int(at.timestamp() * 1000):012x}{key[12:]}"
        execute(url, update(AUDIT).where(AUDIT.c.entry_id == key).values(entry_id=older, at=at))


def in_milliseconds(delta):
    return str(int((time.time() + delta.total_seconds()) * 1000))


def names(out):
    return [row["user_name"] for row in json.loads(out)]


LATER, EARLIER = in_milliseconds(DAY), in_milliseconds(-DAY)


def logged_in(zoho, user, **changes):
    """Log a user in at a Zoho without an SDK; return the token."""
    code = zoho.grant(f"{user}@example.com")
    answer = zoho.accounts.exchange({"code": code, "client_id": LOGIN["client_id"]})
    tokens = {name: answer[name] for name in ("refresh_token", "access_token")}
    return login(user, **tokens | {"expiry": LATER} | changes)


def is_refused(zoho, row):
    """Return whether a Zoho accepts neither of the tokens."""
    form = {"refresh_token": row["refresh_token"], "client_id": row["client_id"]}
    return (
        zoho.accounts.account_of(row["access_token"]) is None
        and zoho.accounts.refresh(form).get("error") == "invalid_code"
    )
