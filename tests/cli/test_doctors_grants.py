"""``doctor`` as a database user who lacks a privilege: it names the right ``GRANT``."""

import json
import re

import pytest
from sqlalchemy import make_url, text

from support import execute
from zoho_tokenstore.database.database import Database
from zoho_tokenstore.schema import migrations
from zoho_tokenstore.schema.state import TokenSchema

GRANT = re.compile(r"GRANT .* TO .*")

ENOUGH = {
    "everywhere": ["GRANT ALL ON *.* TO {user}"],
    "the database": ["GRANT {needed} ON `{database}`.* TO {user}"],
    "its escaped name": ["GRANT ALL PRIVILEGES ON `{escaped}`.* TO {user} WITH GRANT OPTION"],
    "a pattern": ["GRANT {needed} ON `tok_ns%`.* TO {user}"],
    "in parts": [
        "GRANT SELECT, CREATE, ALTER ON *.* TO {user}",
        "GRANT DROP, INDEX ON `{database}`.* TO {user}",
        "GRANT INSERT, UPDATE, CREATE ON `{database}`.oauthtoken_version TO {user}",
    ],
    "a role": ["GRANT {needed} ON `{database}`.* TO {role}"],
}
TOO_LITTLE = {
    "creating": ["GRANT SELECT, INSERT, UPDATE, DELETE ON `{database}`.* TO {user}"],
    "dropping": ["GRANT SELECT, INSERT, UPDATE, CREATE, ALTER, INDEX ON `{database}`.* TO {user}"],
    "inserting": ["GRANT SELECT, CREATE, ALTER, INDEX, DROP ON `{database}`.* TO {user}"],
    "an escaped name": ["GRANT SELECT ON `{escaped}`.* TO {user}"],
    "a pattern": ["GRANT SELECT, INSERT, UPDATE, ALTER ON `tok%`.* TO {user}"],
    "another database": [
        "GRANT ALL ON `{database}x`.* TO {user}",
        "GRANT ALL ON `x%`.* TO {user}",
        "GRANT SELECT ON `{database}`.* TO {user}",
    ],
    "one table": [
        "GRANT SELECT ON `{database}`.* TO {user}",
        "GRANT ALL ON `{database}`.oauthtoken TO {user}",
    ],
    "a role": ["GRANT SELECT ON `{database}`.* TO {role}"],
}


class User:
    """A user of a MySQL or MariaDB server with a role, made by a test for itself."""

    def __init__(self, url):
        self._url = make_url(url)
        hexadecimal = self._url.database[-8:]
        self._names = {
            "user": f"`o'neil``{hexadecimal}`@`127.0.0.%`",
            "role": f"role_{hexadecimal}",
            "database": self._url.database,
            "needed": "SELECT, INSERT, UPDATE, CREATE, ALTER, INDEX, DROP",
            "escaped": self._url.database.replace("_", "\\_"),
        }
        url = self._url.set(username=f"o'neil`{hexadecimal}")
        self.url = url.render_as_string(hide_password=False)
        with_role = url.update_query_dict({"init_command": f"SET ROLE role_{hexadecimal}"})
        self.url_with_role = with_role.render_as_string(hide_password=False)

    def run(self, *statements):
        for statement in statements:
            execute(str(self._url), text(statement.format(**self._names)))

    def grant(self, *statements):
        """Run statements; return the URL, with the role where one is granted something."""
        self.run(*statements)
        if "{role}" not in "".join(statements):
            return self.url
        self.run("GRANT EVENT ON `{database}`.* TO {user}")  # to connect before the role is active
        return self.url_with_role


@pytest.fixture(params=["mariadb", "mysql"])
def user(request, open_database):
    user = User(open_database(request.param))
    user.run("CREATE USER {user}", "CREATE ROLE {role}", "GRANT {role} TO {user}")
    yield user
    user.run("DROP USER {user}", "DROP ROLE {role}")


@pytest.fixture
def found(run_command):
    """Return what doctor says of the table."""

    def found(url):
        findings = json.loads(run_command(url, "doctor", "--json").out)
        return {finding["check"]: finding["found"] for finding in findings}["table"]

    return found


@pytest.mark.parametrize("grants", ENOUGH)
def test_a_user_who_may_upgrade_is_asked_for_no_grant(user, found, grants):
    url = user.grant(*ENOUGH[grants])
    words = found(url)
    assert "zoho-tokenstore upgrade" in words
    assert "GRANT" not in words


@pytest.mark.parametrize("grants", TOO_LITTLE)
def test_the_named_grant_is_all_that_an_upgrade_needs(user, found, run_command, grants):
    url = user.grant(*TOO_LITTLE[grants])
    words = found(url)
    assert "zoho-tokenstore upgrade" in words
    grant = GRANT.search(words)[0]
    assert run_command(url, "upgrade").status == 1
    user.run(grant)
    assert "GRANT" not in found(url)
    assert run_command(url, "upgrade").status == 0
    assert run_command(url, "doctor").status == 0


def test_the_grant_is_named_before_an_upgrade_from_an_earlier_release(user, found):
    user.run("GRANT ALL ON `{database}`.* TO {user}")
    database = Database(user.url)
    migrations.upgrade(database, TokenSchema(), "0004")
    database.close()
    user.run("REVOKE DROP ON `{database}`.* FROM {user}")
    words = found(user.url)
    assert "from an earlier release" in words
    assert "which needs GRANT" in words


def test_a_user_of_postgresql_who_may_not_create_tables_is_told_the_grant(open_database, found):
    url = open_database("postgresql")
    execute(url, text("CREATE ROLE doctors_patient LOGIN"))
    try:
        weak = make_url(url).set(username="doctors_patient").render_as_string(hide_password=False)
        words = found(weak)
        assert "zoho-tokenstore upgrade" in words
        assert "GRANT USAGE, CREATE ON SCHEMA public TO doctors_patient" in words
        execute(url, text("GRANT USAGE, CREATE ON SCHEMA public TO doctors_patient"))
        assert "GRANT" not in found(weak)
        execute(url, text("REVOKE ALL ON SCHEMA public FROM doctors_patient"))
    finally:
        execute(url, text("DROP ROLE doctors_patient"))
