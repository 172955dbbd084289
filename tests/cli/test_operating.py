"""The commands for operations, run as users run them: list, show, delete, revoke, and the rest."""

import io
import json
import os
import pkgutil
import pty
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qs

import pytest
from sqlalchemy import select, update

import sdks
from support import KEY, LOGIN, emptied, execute, known, login, make_token, shown, stored
from zoho_tokenstore import Keyring, OAuthTokenRow, SQLAlchemyTokenStore
from zoho_tokenstore.cli import main
from zoho_tokenstore.errors import RevocationError
from zoho_tokenstore.schema.models import companion_table
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.zoho import revocation

TABLE = OAuthTokenRow.__table__
AUDIT = companion_table(TABLE, "audit")
DAY = timedelta(days=1)
SECRETS = ("1000.refresh", "1000.access", LOGIN["client_secret"], KEY.partition(":")[2])
NOBODY = "postgresql://nobody@127.0.0.1:1/none"
COMMANDS = {
    "list": ["list"],
    "show": ["show", "id"],
    "delete": ["delete", "--all", "--yes"],
    "revoke": ["revoke", "id", "--yes"],
    "stats": ["stats"],
    "purge": ["purge", "--idle-for", "1d", "--yes"],
    "audit": ["audit"],
}


@pytest.fixture
def url(request, shared_database, sqlite_url):
    """A database of each kind that tests use after one another, empty."""
    with emptied(sqlite_url if request.param == "sqlite" else shared_database(request.param)) as it:
        yield it


@pytest.fixture
def command(monkeypatch, capsys):
    """Run a command in this process; return its exit status, its data and its messages."""
    for name in [name for name in os.environ if name.startswith("ZOHO_TOKENSTORE_")]:
        monkeypatch.delenv(name)

    def command(url, *arguments, **environ):
        monkeypatch.setattr("sys.argv", ["zoho-tokenstore", *map(str, arguments)])
        monkeypatch.setenv("ZOHO_TOKENSTORE_URL", url)
        for name, value in environ.items():
            monkeypatch.setenv(f"ZOHO_TOKENSTORE_{name}", value)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert not any(secret in said.out + said.err for secret in SECRETS)
        return ended.value.code or 0, said.out, said.err

    return command


def environment(**more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ZOHO_TOKENSTORE_")}
    return clean | {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "250"} | more


def run(*arguments, program=("-m", "zoho_tokenstore"), **environ):
    """Run the real command, which has no terminal."""
    done = subprocess.run(
        [sys.executable, *program, *map(str, arguments)],
        env=environment(**environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS)
    return done


def in_terminal(*arguments, answer="", width=250):
    """Run the real command in a terminal; return its exit status and what is seen there."""
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "zoho_tokenstore", *map(str, arguments)],
        env=environment(TERM="xterm", COLUMNS=str(width)),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    os.write(control, answer.encode())
    seen = b""
    try:
        while chunk := os.read(control, 4096):
            seen += chunk
    except OSError:  # Linux's way of saying that the other end is closed
        pass
    os.close(control)
    return process.wait(120), seen.decode()


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
    found = execute(url, select(AUDIT.c.event, AUDIT.c.user_name))
    return sorted((event, user) for event, user in found if event != "created")


def move(url, ago, *columns, user):
    """Make it so long ago that something happened to a user's token."""
    values = dict.fromkeys(columns, datetime.now(UTC) - ago)
    execute(url, update(TABLE).where(TABLE.c.user_name == user).values(values))


def move_entries(url, ago):
    """Make all that was noted so far so much older."""
    at = datetime.now(UTC) - ago
    for (key,) in execute(url, select(AUDIT.c.entry_id)):
        older = f"{int(at.timestamp() * 1000):012x}{key[12:]}"
        execute(url, update(AUDIT).where(AUDIT.c.entry_id == key).values(entry_id=older, at=at))


def in_milliseconds(delta):
    return str(int((time.time() + delta.total_seconds()) * 1000))


def names(out):
    return [row["user_name"] for row in json.loads(out)]


LATER, EARLIER = in_milliseconds(DAY), in_milliseconds(-DAY)


def test_list_chooses_and_sorts(url, command):
    save(
        url,
        login("bob", id="3", client_id="1", expiry=EARLIER),
        login("alice", id="2", client_id="2", expiry=LATER),
        login("carol", id="4", client_id="1", expiry=in_milliseconds(2 * DAY)),
        make_token("dave", id="1", client_id="3", access_token="1000.access.dave", expiry="0"),
    )
    for arguments, expected in {
        (): ["alice", "bob", "carol", "dave"],
        ("--sort", "user"): ["alice", "bob", "carol", "dave"],
        ("--sort", "client"): ["bob", "carol", "alice", "dave"],
        ("--sort", "expiry"): ["dave", "bob", "alice", "carol"],
        ("--sort", "id"): ["dave", "alice", "bob", "carol"],
        ("--user", "alice"): ["alice"],
        ("--user", "nobody"): [],
        ("--client", "1"): ["bob", "carol"],
        ("--client", "1", "--user", "alice"): [],
        ("--expired",): ["bob", "dave"],
        ("--needs-login",): ["dave"],
        ("--expired", "--client", "1"): ["bob"],
    }.items():
        status, out, messages = command(url, "list", "--json", *arguments)
        assert (status, messages) == (0, "")
        assert names(out) == expected, arguments


def test_list_sorts_tokens_that_have_nothing_to_sort_by(sqlite_url, command):
    tokens = [make_token(refresh_token=f"1000.refresh.{number}") for number in range(3)]
    save(sqlite_url, *tokens, login("alice"))
    for name in ("user", "client", "expiry"):
        status, out, _ = command(sqlite_url, "list", "--json", "--sort", name)
        assert (status, json.loads(out)[0]["user_name"]) == (0, "alice")
        assert len(json.loads(out)) == 4


def test_list_prints_a_line_for_each_token_its_values_separated_by_tabs(sqlite_url, command):
    (key,) = save(sqlite_url, login("alice and bob", expiry="0"))
    save(sqlite_url, make_token("carol", refresh_token="1000.refresh"))
    status, out, messages = command(sqlite_url, "list")
    assert (status, messages) == (0, "")
    alice, carol = (line.split("\t") for line in out.splitlines())
    client_id = LOGIN["client_id"]
    assert alice[:3] == [key, "alice and bob", client_id]
    assert alice[3:] == ["1000.re…(26)", "1000.ac…(25)", "1970-01-01 00:00:00Z"]
    assert carol[1:] == ["carol", "", "…(12)", "", ""]


def test_list_names_what_cannot_be_read_and_fails(sqlite_url, command):
    _, bad = save(sqlite_url, login("alice"), login("bob"), keys=KEY)
    execute(sqlite_url, update(TABLE).where(TABLE.c.id == bad).values(access_token="zts1:x:x"))
    status, out, _ = command(sqlite_url, "list", KEYS=KEY)
    assert status == 1
    assert [line.split("\t")[0] for line in out.splitlines()][1:] == [bad]
    status, out, _ = command(sqlite_url, "stats", "--json", KEYS=KEY)
    assert (json.loads(out)["tokens"], json.loads(out)["unreadable"]) == (1, 1)


def test_encrypted_tokens_are_listed_shown_and_counted_with_the_keys_only(url, command):
    alice, bob = save(url, login("alice"), login("bob"), keys=KEY)
    assert names(command(url, "list", "--json", KEYS=KEY)[1]) == ["alice", "bob"]
    status, out, _ = command(url, "show", alice, "--json", KEYS=KEY)
    assert (status, json.loads(out)["user_name"]) == (0, "alice")
    assert json.loads(command(url, "stats", "--json", KEYS=KEY)[1])["tokens"] == 2
    for arguments in (["list"], ["show", bob], ["stats"], ["revoke", bob, "--yes"]):
        status, out, messages = command(url, *arguments, KEYS="")
        assert (status, out) == (1, "")
        assert KEY.partition(":")[0] in messages
    assert command(url, "delete", bob, "--yes", KEYS="")[0] == 0, "which needs no keys"
    assert users(url) == ["alice"]


def test_show_shows_a_token_and_its_times(url, command):
    upper, lower = save(url, login("alice", id="ID"), login("bob", id="id"))
    move(url, 10 * DAY, "created_at", user="alice")
    move(url, 20 * DAY, "created_at", "used_at", user="bob")
    for key, user, days in ((upper, "alice", 10), (lower, "bob", 20)):
        status, out, messages = command(url, "show", key, "--json")
        assert (status, messages) == (0, "")
        row = json.loads(out)
        assert (row["id"], row["user_name"], row["needs_login"]) == (key, user, False)
        assert row["created_at"][:10] == f"{datetime.now(UTC) - days * DAY:%Y-%m-%d}"
        assert ("used_at" in row) == (user == "bob")
        assert row["expires"] == "2026-01-01 00:00:00Z"
    status, out, _ = command(url, "show", "unknown")
    assert (status, out) == (1, "")


def test_show_cuts_nothing_off(sqlite_url, command):
    user = f"{'a' * 150}@example.com"
    (key,) = save(sqlite_url, login(user))
    out = command(sqlite_url, "show", key)[1]
    assert user in "".join(out.replace("│", "").split())


def test_delete_by_id_by_user_and_all(url, command):
    names = ["alice", "alice", "bob", "carol", "dave"]
    tokens = [login(user, client_id=str(number)) for number, user in enumerate(names)]
    ids = save(url, *tokens)
    assert command(url, "delete", "--yes", ids[2], ids[3]) == (0, "deleted: 2\n", "")
    assert users(url) == ["alice", "alice", "dave"]
    status, out, _ = command(url, "delete", "--yes", "--json", "--user", "alice")
    assert (status, json.loads(out)) == (0, {"deleted": 2})
    assert users(url) == ["dave"]
    for arguments, message in (
        ([ids[4], "unknown"], "unknown token id 'unknown'; nothing was changed"),
        (["unknown", "none", "unknown"], "unknown token ids 'unknown', 'none'"),
        (["--user", "alice"], "no tokens are stored for user 'alice'"),
        (["--user", ""], "no tokens are stored for user ''"),
    ):
        status, out, messages = command(url, "delete", "--yes", *arguments)
        assert (status, out) == (1, "")
        assert message in messages
    assert users(url) == ["dave"]
    save(url, *tokens[:4])
    assert command(url, "delete", "--yes", "--all")[:2] == (0, "deleted: 5\n")
    assert command(url, "delete", "--yes", "--all")[:2] == (0, "deleted: 0\n")
    assert users(url) == []
    assert {event for event, _ in events(url)} == {"deleted"}
    assert len(events(url)) == 9


def test_delete_notes_nothing_where_the_audit_is_off(sqlite_url, command):
    save(sqlite_url, login("alice"))
    assert command(sqlite_url, "delete", "--yes", "--all", AUDIT="off")[0] == 0
    assert (users(sqlite_url), events(sqlite_url)) == ([], [])


@pytest.mark.parametrize(
    "arguments",
    [
        ["delete", "--all"],
        ["delete", "--user", "alice"],
        ["revoke", "--user", "alice"],
        ["purge", "--idle-for", "1s"],
        ["purge", "--audit-older-than", "1s"],
    ],
    ids=" ".join,
)
def test_nothing_is_removed_where_there_is_nobody_to_ask(sqlite_url, command, arguments):
    save(sqlite_url, login("alice"))
    move(sqlite_url, DAY, "updated_at", user="alice")
    move_entries(sqlite_url, DAY)
    status, out, messages = command(sqlite_url, *arguments)
    assert (status, out) == (2, "")
    assert "--yes" in messages
    assert users(sqlite_url) == ["alice"]
    assert len(execute(sqlite_url, select(AUDIT))) == 1


def test_delete_asks_in_a_terminal(sqlite_url):
    save(sqlite_url, login("alice"), login("bob"))
    status, seen = in_terminal("delete", "--all", "--url", sqlite_url, answer="n\n")
    assert status == 1
    assert "2 tokens would be deleted. Continue?" in seen
    assert "Traceback" not in seen
    assert users(sqlite_url) == ["alice", "bob"]
    status, seen = in_terminal("delete", "--all", "--url", sqlite_url, answer="y\n")
    assert status == 0
    assert "deleted: 2" in seen
    assert users(sqlite_url) == []


def test_list_and_audit_show_tables_in_a_terminal(sqlite_url):
    (key,) = save(sqlite_url, login("alice"))
    for arguments, column in ((["list"], "access token"), (["audit"], "credential")):
        status, seen = in_terminal(*arguments, "--url", sqlite_url)
        assert status == 0
        assert "\t" not in seen
        for text in (column, key, "alice"):
            assert text in seen
        assert not any(secret in seen for secret in SECRETS)


def test_the_ids_are_whole_in_a_narrow_terminal_too(sqlite_url):
    (key,) = save(sqlite_url, login("alice@example.com:60001234567"))
    assert key in in_terminal("list", "--url", sqlite_url, width=80)[1]


def logged_in(zoho, user, **changes):
    """Log a user in at a Zoho without an SDK; return the token."""
    code = zoho.grant(f"{user}@example.com")
    answer = zoho.accounts.exchange({"code": code, "client_id": LOGIN["client_id"]})
    tokens = {name: answer[name] for name in ("refresh_token", "access_token")}
    return login(user, **tokens | {"expiry": LATER} | changes)


def is_refused(zoho, row):
    """Tell whether a Zoho takes neither of the tokens any more."""
    form = {"refresh_token": row["refresh_token"], "client_id": row["client_id"]}
    return (
        zoho.accounts.account_of(row["access_token"]) is None
        and zoho.accounts.refresh(form).get("error") == "invalid_code"
    )


def test_a_revoked_token_is_refused_by_zoho_and_gone(sqlite_url, command, zoho, tmp_path):
    with opened(sqlite_url) as store:
        application = sdks.Application(zoho, store, tmp_path)
        application.log_in("alice@example.com")
        (row,) = stored(store)
        assert zoho.accounts.account_of(row["access_token"])
        status, out, messages = command(
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


def test_what_zoho_does_not_revoke_stays_and_is_named(url, command, zoho):
    tokens = [logged_in(zoho, "alice"), login("alice", client_id="2"), logged_in(zoho, "bob")]
    good, bad, other = save(url, *tokens)
    arguments = ["--user", "alice", "--yes", "--accounts-url", zoho.accounts_url]
    status, out, messages = command(url, "revoke", "--json", *arguments)
    assert (status, json.loads(out)) == (1, {"revoked": 1, "failed": 1})
    assert "invalid_code" in messages
    assert (bad in messages, good in messages, other in messages) == (True, False, False)
    assert sorted(row["id"] for row in rows(url)) == sorted([bad, other])
    assert is_refused(zoho, known(tokens[0]))
    assert not is_refused(zoho, known(tokens[2]))
    assert events(url) == [("revoked", "alice")]


def test_an_access_token_alone_is_revoked(sqlite_url, command, zoho):
    access = known(logged_in(zoho, "alice"))["access_token"]
    save(sqlite_url, make_token("alice", access_token=access))
    arguments = ["--user", "alice", "--yes", "--accounts-url", zoho.accounts_url]
    assert command(sqlite_url, "revoke", *arguments)[0] == 0
    assert zoho.accounts.account_of(access) is None


@pytest.mark.parametrize(
    "accounts_url",
    ["http://127.0.0.1:1/oauth/v2/token", "nonsense", "http://[/oauth", "http://a b/oauth", ""],
    ids=repr,
)
def test_a_zoho_that_cannot_be_asked_is_one_message(sqlite_url, command, accounts_url):
    (key,) = save(sqlite_url, login("alice", api_domain="https://api.example.com"))
    arguments = ["revoke", key, "--yes", "--accounts-url", accounts_url]
    status, _, messages = command(sqlite_url, *arguments)
    assert status in (1, 2)
    assert len(messages.splitlines()) == 1
    assert users(sqlite_url) == ["alice"]
    assert events(sqlite_url) == []


def test_a_token_without_a_secret_cannot_be_revoked(sqlite_url, command):
    (key,) = save(sqlite_url, make_token("alice", grant_token="1000.access"))
    status, out, messages = command(sqlite_url, "revoke", key, "--yes")
    assert (status, out) == (1, "revoked: 0, failed: 1\n")
    assert key in messages
    assert users(sqlite_url) == ["alice"]


def environments():
    package = import_module(f"{sdks.PACKAGE}.src.com.zoho.crm.api.dc")
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        import_module(module.name)
    for center in sdks.DataCenter.__subclasses__():
        for kind in ("PRODUCTION", "SANDBOX", "DEVELOPER"):
            environment = getattr(center, kind)()
            yield environment.url, environment.accounts_url


@pytest.fixture
def zohos(monkeypatch):
    """What is sent to any Zoho; each answers as told, or that all is well."""
    sent = []

    def urlopen(request, timeout):
        assert 0 < timeout <= 60
        sent.append((request.full_url, parse_qs(request.data.decode())))
        answer = urlopen.answer
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(answer)

    urlopen.answer = b'{"status": "success"}'
    monkeypatch.setattr(revocation, "urlopen", urlopen)
    return urlopen, sent


@pytest.mark.parametrize(("api_domain", "accounts_url"), sorted(environments()))
def test_each_data_centre_of_the_sdk_is_asked_at_its_accounts_server(
    zohos, api_domain, accounts_url
):
    revocation.revoke(TokenRecord(refresh_token="r", access_token="a", api_domain=api_domain))
    assert zohos[1] == [(f"{accounts_url}/revoke", {"token": ["r"]})]


@pytest.mark.parametrize(
    "api_domain",
    [
        "https://www.zohoapis.evil.com",
        "https://www.zohoapis.com.evil.com",
        "https://zohoapis.com.evil.com",
        "https://evil.com/www.zohoapis.com",
        "https://evil.com#.zohoapis.com",
        "https://www.zohoapis.com@evil.com",
        "https://evil.com\\.zohoapis.com",
        "https://evilzohoapis.com",
        "https://www.evil-zohoapis.com",
        "https://accounts.zoho.com",
        "https://[www.zohoapis.com",
        "https://www.zohoapis.com]",
        "www.zohoapis.com",
        "",
        None,
    ],
    ids=repr,
)
def test_no_other_host_is_asked(zohos, api_domain):
    token = TokenRecord(refresh_token="a secret", api_domain=api_domain)
    with pytest.raises(RevocationError, match="accounts-url") as caught:
        revocation.revoke(token)
    assert "a secret" not in str(caught.value)
    assert zohos[1] == []
    revocation.revoke(token, "https://accounts.example.com/oauth/v2/token")
    assert zohos[1][0][0] == "https://accounts.example.com/oauth/v2/token/revoke"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b'{"error": "invalid_code"}', "invalid_code"),
        (b'{"status": "failure"}', "unknown"),
        (b'["success"]', "unknown"),
        (b"<html>", "request to accounts.zoho.eu failed"),
        (b"\xff", "request to accounts.zoho.eu failed"),
        (TimeoutError(), "TimeoutError"),
        (HTTPError("u", 503, "m", None, io.BytesIO(b"body")), "503"),
    ],
    ids=str,
)
def test_a_failed_revocation_says_why_and_shows_no_secret(zohos, answer, reason):
    zohos[0].answer = answer
    with pytest.raises(RevocationError, match=reason) as caught:
        revocation.revoke(
            TokenRecord(refresh_token="a secret", api_domain="https://www.zohoapis.eu")
        )
    zohos[1].clear()
    assert "a secret" not in shown(caught.value)


def test_stats_count(url, command):
    save(
        url,
        login("alice", client_id="1", expiry=EARLIER),
        login("alice", client_id="2", expiry=LATER, refresh_token="1000.refresh.2"),
        login("bob", client_id="1", expiry=in_milliseconds(DAY / 48)),
        make_token(client_id="3", access_token="1000.access.nobody", expiry=EARLIER),
    )
    save(url, login("bob", client_id="1", expiry=in_milliseconds(DAY / 48)))
    expected = {
        "users": 2,
        "clients": 3,
        "tokens": 4,
        "expired": 2,
        "expiring_within_the_hour": 1,
        "needs_login": 1,
        "unreadable": 0,
        "refreshes_today": 1,
    }
    status, out, messages = command(url, "stats", "--json")
    assert (status, json.loads(out), messages) == (0, expected, "")
    lines = command(url, "stats")[1].splitlines()
    assert dict(line.split(": ") for line in lines) == {
        name.replace("_", " "): str(number) for name, number in expected.items()
    }
    move_entries(url, 2 * DAY)
    assert json.loads(command(url, "stats", "--json")[1])["refreshes_today"] == 0


def test_purge_removes_what_is_named_and_counts_before(url, command):
    names = ("expired", "expires", "idle", "used", "saved")
    later = dict.fromkeys(names, LATER) | {
        "expired": in_milliseconds(-31 * DAY),
        "expires": in_milliseconds(-29 * DAY),
    }
    save(url, *(login(name, expiry=later[name]) for name in names))
    for name in ("idle", "used"):
        move(url, 91 * DAY, "created_at", "updated_at", user=name)
    move(url, DAY, "used_at", user="used")
    move(url, 91 * DAY, "created_at", "used_at", user="saved")
    move_entries(url, 400 * DAY)
    save(url, login("new", expiry=LATER))
    arguments = ["--expired-for", "30d", "--idle-for", "90d", "--audit-older-than", "365d"]
    before = execute(url, select(AUDIT.c.entry_id))
    counted = command(url, "purge", "--dry-run", *arguments)
    assert counted == (0, "tokens: 2, audit: 5\n", "")
    assert len(users(url)) == 6
    assert execute(url, select(AUDIT.c.entry_id)) == before
    status, out, _ = command(url, "purge", "--json", "--yes", *arguments)
    assert (status, json.loads(out)) == (0, {"tokens": 2, "audit": 5})
    assert users(url) == ["expires", "new", "saved", "used"]
    assert events(url) == [("policy-expired", "expired"), ("policy-expired", "idle")]
    assert command(url, "purge", "--yes", *arguments)[:2] == (0, "tokens: 0, audit: 0\n")


def test_purge_removes_nothing_else_than_what_is_named(sqlite_url, command):
    save(sqlite_url, login("alice", expiry=EARLIER), login("bob", expiry=LATER))
    move(sqlite_url, 10 * DAY, "updated_at", user="bob")
    move_entries(sqlite_url, 10 * DAY)
    for argument, expected in {
        "--expired-for": "tokens: 1, audit: 0\n",
        "--idle-for": "tokens: 1, audit: 0\n",
        "--audit-older-than": "tokens: 0, audit: 2\n",
    }.items():
        assert command(sqlite_url, "purge", "--dry-run", argument, "1h")[1] == expected
    assert command(sqlite_url, "purge", "--yes", "--expired-for", "1h")[0] == 0
    assert users(sqlite_url) == ["bob"]
    assert len(execute(sqlite_url, select(AUDIT))) == 3


SPANS = ["", "30", "d", "0d", "-1d", "1.5h", "1y", "1d2h", "1 d", "999999w"]


@pytest.mark.parametrize("span", SPANS, ids=repr)
@pytest.mark.parametrize(
    "option",
    [
        ("purge", "--expired-for"),
        ("purge", "--idle-for"),
        ("purge", "--audit-older-than"),
        ("audit", "--since"),
    ],
    ids=" ".join,
)
def test_what_is_no_span_is_wrong_usage(sqlite_url, command, option, span):
    yes = ["--yes"] if option[0] == "purge" else []
    status, out, messages = command(sqlite_url, *option, span, *yes)
    assert (status, out) == (2, "")
    assert option[1] in messages
    assert not file_of(sqlite_url).exists(), "nothing was opened"


def test_audit_shows_what_happened_and_chooses(url, command):
    alice, bob = save(url, login("alice"), login("bob"))
    move_entries(url, 10 * DAY)
    time.sleep(0.002)
    save(url, login("alice", access_token="1000.access.new"))
    time.sleep(0.002)
    assert command(url, "delete", bob, "--yes")[0] == 0

    def asked(*arguments):
        status, out, messages = command(url, "audit", "--json", *arguments)
        assert (status, messages) == (0, "")
        entries = [json.loads(line) for line in out.splitlines()]
        return [(entry["event"], entry["user_name"]) for entry in entries]

    recent = [("refreshed", "alice"), ("deleted", "bob")]
    everything = asked()
    assert everything[2:] == recent
    assert sorted(everything[:2]) == [("created", "alice"), ("created", "bob")]
    assert asked("--since", "7d") == recent
    assert len(asked("--since", "2w")) == 4
    assert asked("--user", "bob") == [("created", "bob"), ("deleted", "bob")]
    assert asked("--id", alice) == [("created", "alice"), ("refreshed", "alice")]
    assert asked("--event", "deleted") == recent[1:]
    assert asked("--event", "created", "--user", "bob", "--since", "1h") == []
    assert asked("--user", "nobody") == []


def test_audit_prints_a_line_for_each_entry_its_values_separated_by_tabs(sqlite_url, command):
    (key,) = save(sqlite_url, login("alice and bob"))
    status, out, messages = command(sqlite_url, "audit")
    assert (status, messages) == (0, "")
    at, *values = out.rstrip("\n").split("\t")
    assert datetime.now(UTC) - datetime.fromisoformat(at) < DAY
    assert values[:4] == ["created", key, "alice and bob", LOGIN["client_id"]]
    assert len(values) == 7
    assert values[6] == str(os.getpid())
    (entry,) = map(json.loads, command(sqlite_url, "audit", "--json")[1].splitlines())
    assert [str(value) for value in entry.values()] == [at, *values]


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--sort", "age"],
        ["list", "alice"],
        ["show"],
        ["show", "a", "b"],
        ["delete", "--yes"],
        ["delete", "--yes", "--all", "id"],
        ["delete", "--yes", "--all", "--user", "alice"],
        ["delete", "--yes", "--user", "alice", "id"],
        ["revoke", "--yes"],
        ["revoke", "--yes", "--all"],
        ["revoke", "--yes", "--user", "alice", "id"],
        ["stats", "today"],
        ["purge", "--yes"],
        ["purge", "alice"],
        ["audit", "--event", "stolen"],
        ["audit", "alice"],
        *([name, "--nonsense"] for name in COMMANDS),
        *([*command, "--url", "nonsense"] for command in COMMANDS.values()),
        *([*command, "--keys-file", "/none"] for command in COMMANDS.values()),
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_wrong_usage(sqlite_url, command, arguments):
    status, out, messages = command(sqlite_url, *arguments)
    assert (status, out) == (2, "")
    assert messages
    assert not file_of(sqlite_url).exists(), "nothing was opened"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_fails_says_so_in_one_line(sqlite_url, command, name):
    file_of(sqlite_url).touch()
    for url, word in ((sqlite_url, "zoho-tokenstore upgrade"), (NOBODY, "127.0.0.1")):
        status, out, messages = command(url, *COMMANDS[name])
        assert (status, out) == (1, "")
        assert len(messages.splitlines()) == 1
        assert word in messages


def test_a_file_that_is_not_there_is_not_made(sqlite_url, command):
    for arguments in COMMANDS.values():
        status, out, messages = command(sqlite_url, *arguments)
        assert (status, out) == (1, "")
        assert len(messages.splitlines()) == 1
        assert not file_of(sqlite_url).exists()


def test_the_real_commands(sqlite_url, zoho):
    tokens = [logged_in(zoho, "alice"), login("bob"), login("carol", expiry=LATER)]
    alice, bob, _ = save(sqlite_url, *tokens)
    for arguments, expected in {
        ("list", "--user", "bob"): bob,
        ("show", alice): alice,
        ("stats",): "tokens: 3",
        ("delete", bob, "--yes"): "deleted: 1\n",
        ("revoke", alice, "--yes", "--accounts-url", zoho.accounts_url): "revoked: 1, failed: 0\n",
        ("purge", "--idle-for", "1d", "--yes"): "tokens: 0, audit: 0\n",
        ("audit", "--event", "revoked"): alice,
    }.items():
        done = run(*arguments, ZOHO_TOKENSTORE_URL=sqlite_url)
        assert (done.returncode, done.stderr) == (0, ""), arguments
        assert expected in done.stdout
        assert not any(known(tokens[0])[name] in done.stdout for name in revealing(tokens[0]))
    unanswered = run("delete", "--all", "--url", sqlite_url)
    assert (unanswered.returncode, unanswered.stdout) == (2, "")
    assert "--yes" in unanswered.stderr
    failed = run("show", bob, "--url", sqlite_url)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert len(failed.stderr.splitlines()) == 1
    assert users(sqlite_url) == ["carol"]


def revealing(token):
    return [name for name in ("refresh_token", "access_token") if name in known(token)]


WITHOUT_SDK = """
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("zohocrmsdk", "zcrmsdk"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
runpy.run_module("zoho_tokenstore", run_name="__main__", alter_sys=True)
"""


def test_no_sdk_is_needed(sqlite_url):
    save(sqlite_url, login("alice"))
    for arguments, expected in {
        ("list", "--url", sqlite_url): "alice",
        ("stats", "--url", sqlite_url): "tokens: 1",
        ("import", "--help"): "filestore",
    }.items():
        done = run(*arguments, program=("-c", WITHOUT_SDK))
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert expected in done.stdout


def test_shells_can_complete_the_commands():
    program = (str(Path(sys.executable).with_name("zoho-tokenstore")),)
    told = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown = run("--show-completion", "bash", program=program, **told)
    asked_for = run(program=program, _ZOHO_TOKENSTORE_COMPLETE="source_bash")
    assert (shown.returncode, asked_for.returncode) == (0, 0)
    assert shown.stdout.strip() == asked_for.stdout.strip()
    assert "_ZOHO_TOKENSTORE_COMPLETE" in shown.stdout
