"""The page on which a user of the local Zoho consents to a login."""

from collections.abc import Iterable, Mapping
from html import escape
from string import Template
from typing import Final
from urllib.parse import urlencode, urlsplit

from zoho_tokenstore.testing.accounts import Accounts

__all__ = ["consent_page", "error_page", "redirect_after", "request_error"]

PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Local Zoho</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 10vh auto; padding: 0 1rem; }
button { font: inherit; display: block; width: 100%; padding: .75rem; margin: .5rem 0; }
</style>
</head>
<body>
<main>
$body
</main>
</body>
</html>
""")


def request_error(accounts: Accounts, query: Mapping[str, str]) -> str | None:
    """Return Zoho's word for what is wrong with an authorization request, ``None`` if nothing is.

    Such a request is answered with a page and not with a redirect: where to is not certain.
    """
    redirect_url = query.get("redirect_uri", "")
    if query.get("response_type") != "code":
        return "invalid_response_type"
    if not query.get("client_id"):
        return "invalid_client"
    if error := accounts.client_error(query["client_id"], redirect_url=redirect_url):
        return error
    if urlsplit(redirect_url).scheme not in ("http", "https"):
        return "invalid_redirect_uri"
    return None if query.get("scope") else "invalid_scope"


def consent_page(query: Mapping[str, str], emails: Iterable[str]) -> str:
    """Return the page: a button for each account, whose choice is the consent, and one to deny."""
    hidden = "\n".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in query.items()
    )
    buttons = "\n".join(
        f'<button name="account" value="{escape(email)}">{escape(email)}</button>'
        for email in emails
    )
    scopes = ", ".join(query.get("scope", "").split(","))
    return PAGE.substitute(
        body=f"""<h1>Log in to the local Zoho</h1>
<p>The application {escape(query.get("client_id", ""))} asks for: {escape(scopes)}</p>
<form method="post" action="/oauth/v2/auth">
{hidden}
{buttons}
<button name="deny" value="1">Deny</button>
</form>"""
    )


def error_page(word: str) -> str:
    """Return the page that shows one of Zoho's words for an error."""
    return PAGE.substitute(body=f"<h1>Error</h1>\n<p>{escape(word)}</p>")


def redirect_after(accounts: Accounts, form: Mapping[str, str], accounts_server: str) -> str:
    """Return where the browser is sent after the user's choice.

    Args:
        accounts: The accounts.
        form: The fields of the page.
        accounts_server: URL of this accounts server.
    """
    client_id, redirect_url = form["client_id"], form["redirect_uri"]
    state = {"state": form["state"]} if "state" in form else {}
    if "account" not in form:
        return _with_query(redirect_url, {"error": "access_denied"} | state)
    email = form["account"]
    is_first = not accounts.has_login(email, client_id)
    code = accounts.grant(
        email,
        client_id=client_id,
        redirect_url=redirect_url,
        scopes=form["scope"].replace(" ", ",").split(","),
        is_offline=form.get("access_type") == "offline"
        and (is_first or form.get("prompt") == "consent"),
    )
    answer = {"code": code, "location": "us", "accounts-server": accounts_server}
    return _with_query(redirect_url, state | answer)


def _with_query(url: str, query: Mapping[str, str]) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}"
