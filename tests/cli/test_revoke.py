"""``revoke``: a token that Zoho has revoked is deleted, any other stays."""

import json

import pytest
from sqlalchemy import select

import sdks
from support import execute, known, login, make_token, stored
from tables import (
    AUDIT,
    events,
    is_refused,
    logged_in,
    opened,
    rows,
    save,
    users,
)


def test_a_revoked_token_is_refused_by_zoho_and_gone(sqlite_url, run_command, zoho, tmp_path):
    with opened(sqlite_url) as store:
        application = sdks.Application(zoho, store, tmp_path)
        application.log_in("alice@example.com")
        (row,) = stored(store)
        assert zoho.accounts.account_of(row["access_token"])
        status, out, messages = run_command(
            sqlite_url, "revoke", row["id"], "--yes", "--accounts-url", zoho.accounts_url
        )
        assert (status, out, messages) == (0, "revoked: 1, failed: 0\n", "")
        assert zoho.requests[-1].kind == "revoke"
        assert is_refused(zoho, row)
        assert stored(store) == []
        with pytest.raises(sdks.SDKException):
            application.visit(
                sdks.new_token(refresh_token=row["refresh_token"]), "alice@example.com"
            )
    ((event, token_id),) = execute(
        sqlite_url,
        select(AUDIT.c.event, AUDIT.c.token_id).where(
            AUDIT.c.event.not_in(("created", "refreshed", "claimed"))
        ),
    )
    assert (event, token_id) == ("revoked", row["id"])


def test_what_zoho_does_not_revoke_stays_and_is_named(shared_url, run_command, zoho):
    tokens = [logged_in(zoho, "alice"), login("alice", client_id="2"), logged_in(zoho, "bob")]
    good, bad, other = save(shared_url, *tokens)
    arguments = ["--user", "alice", "--yes", "--accounts-url", zoho.accounts_url]
    status, out, messages = run_command(shared_url, "revoke", "--json", *arguments)
    assert (status, json.loads(out)) == (1, {"revoked": 1, "failed": 1})
    assert "invalid_code" in messages
    assert (bad in messages, good in messages, other in messages) == (True, False, False)
    assert sorted(row["id"] for row in rows(shared_url)) == sorted([bad, other])
    assert is_refused(zoho, known(tokens[0]))
    assert not is_refused(zoho, known(tokens[2]))
    assert events(shared_url) == [("revoked", "alice")]


def test_an_access_token_alone_is_revoked(sqlite_url, run_command, zoho):
    access = known(logged_in(zoho, "alice"))["access_token"]
    save(sqlite_url, make_token("alice", access_token=access))
    arguments = ["--user", "alice", "--yes", "--accounts-url", zoho.accounts_url]
    assert run_command(sqlite_url, "revoke", *arguments)[0] == 0
    assert zoho.accounts.account_of(access) is None


@pytest.mark.parametrize(
    "accounts_url",
    ["http://127.0.0.1:1/oauth/v2/token", "nonsense", "http://[/oauth", "http://a b/oauth", ""],
    ids=repr,
)
def test_a_zoho_that_cannot_be_asked_is_one_message(sqlite_url, run_command, accounts_url):
    (key,) = save(sqlite_url, login("alice", api_domain="https://api.example.com"))
    arguments = ["revoke", key, "--yes", "--accounts-url", accounts_url]
    status, _, messages = run_command(sqlite_url, *arguments)
    assert status in (1, 2)
    assert len(messages.splitlines()) == 1
    assert users(sqlite_url) == ["alice"]
    assert events(sqlite_url) == []


def test_a_token_without_a_secret_cannot_be_revoked(sqlite_url, run_command):
    (key,) = save(sqlite_url, make_token("alice", grant_token="1000.access"))
    status, out, messages = run_command(sqlite_url, "revoke", key, "--yes")
    assert (status, out) == (1, "revoked: 0, failed: 1\n")
    assert key in messages
    assert users(sqlite_url) == ["alice"]
