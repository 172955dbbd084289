"""The precedence table, exhaustively: every set of fields a token can have, against the rules."""

from itertools import product

import pytest

from support import known, make_token, record, stored

STORES = (
    "list",
    "encrypted",
    "sqlite",
    "postgresql",
    "mariadb",
    "mysql",
)  # drivers do not decide here
CLIENT = "the-client"
ROWS = {
    "user": {"user": "u", "client_id": CLIENT, "refresh_token": "ru", "redirect_url": "user"},
    "access": {"user": "v1", "client_id": CLIENT, "access_token": "a", "redirect_url": "access"},
    "grant": {"user": "v2", "client_id": CLIENT, "grant_token": "g", "redirect_url": "grant"},
    "refresh": {"user": "v3", "client_id": CLIENT, "refresh_token": "r", "redirect_url": "refresh"},
    "id": {"user": "v4", "client_id": CLIENT, "id": "i", "access_token": "x", "redirect_url": "id"},
}

USERS = (None, "", "u")
CLIENTS = (None, "", CLIENT, "another-client")
SECRETS = (None, "s")
ACCESS = (None, "", "a")
GRANTS = (None, "", "g")
REFRESHES = (None, "", "r")
IDS = (None, "", "i")
EVERYTHING = list(product(USERS, CLIENTS, SECRETS, ACCESS, GRANTS, REFRESHES, IDS))


def expected(user, client, secret, access, grant, refresh, id_):
    """Say in words of its own what design and documentation promise."""
    right_client = client in (None, "", CLIENT)
    if user:
        return "user" if right_client else None
    if access and not client and not secret:
        return "access"
    if grant:
        return "grant" if right_client else None
    if refresh:
        return "refresh" if right_client else None
    if id_:
        return "id"
    return None


def make(user, client, secret, access, grant, refresh, id_):
    return make_token(
        user,
        client_id=client,
        client_secret=secret,
        access_token=access,
        grant_token=grant,
        refresh_token=refresh,
        id=id_,
    )


def test_a_lookup_follows_the_first_rule_that_applies(store):
    store.save_tokens(make_token(**row) for row in ROWS.values())
    for fields in EVERYTHING:
        found = store.find_token(make(*fields))
        assert (found and record(found).redirect_url) == expected(*fields), fields


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("access", ACCESS)
def test_a_save_follows_the_same_rule_and_touches_no_other_row(make_store, user, access):
    store = make_store()
    for client, secret, grant, refresh in product(CLIENTS, SECRETS, GRANTS, REFRESHES):
        if not (access or grant or refresh):
            continue
        rule = expected(user, client, secret, access, grant, refresh, None)
        store.delete_tokens()
        store.save_tokens(make_token(**row) for row in ROWS.values())
        before = {row["redirect_url"]: row for row in stored(store)}
        token = make(user, client, secret, access, grant, refresh, None)
        store.save_token(token)
        after = stored(store)
        (target,) = [row for row in after if row["id"] == record(token).id]
        fields = (user, client, secret, access, grant, refresh)
        others = [row for row in after if row is not target]
        if rule is not None:
            assert target["redirect_url"] == rule, fields
            assert target == before.pop(rule) | known(token), fields
        elif len(after) == len(ROWS):
            # No rule found a row, but the refresh token is already stored for its user.
            assert not user, fields
            assert target["redirect_url"] == "refresh", fields
            before.pop("refresh")
        assert sorted(others, key=repr) == sorted(before.values(), key=repr), fields
