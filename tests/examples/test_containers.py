"""The files for containers: what they call exists, and works under the limits that they set."""

import json
import subprocess
import sys

import pytest
import yaml

from applications import EXAMPLES
from commands import environment

FOLDER = EXAMPLES / "containers"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
JOB, DEPLOYMENT = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())


def command_of_image():
    (line,) = (
        line for line in (FOLDER / "Dockerfile").read_text().splitlines() if line.startswith("CMD ")
    )
    return json.loads(line.removeprefix("CMD "))


def test_the_tables_are_made_before_the_application_starts():
    upgrade = ["zoho-tokenstore", "upgrade"]
    (container,) = JOB["spec"]["template"]["spec"]["containers"]
    assert container["command"] == COMPOSE["services"]["upgrade"]["command"] == upgrade
    after = COMPOSE["services"]["portal"]["depends_on"]
    assert after == {"upgrade": {"condition": "service_completed_successfully"}}


def test_no_container_is_root_or_writes_beside_its_one_folder():
    for kind in (JOB, DEPLOYMENT):
        spec = kind["spec"]["template"]["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert COMPOSE["services"]["portal"]["read_only"] is True
    assert COMPOSE["services"]["portal"]["tmpfs"] == ["/tmp"]
    assert "USER 10001" in (FOLDER / "Dockerfile").read_text()


def test_the_keys_are_where_the_variable_says():
    service = COMPOSE["services"]["portal"]
    (secret,) = service["secrets"]
    assert service["environment"]["ZOHO_TOKENSTORE_KEYS_FILE"] == f"/run/secrets/{secret}"
    spec = DEPLOYMENT["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (variable,) = container["env"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert variable == {
        "name": "ZOHO_TOKENSTORE_KEYS_FILE",
        "value": f"{mounts['keys']}/token_keys",
    }
    assert spec["volumes"][0]["secret"]["defaultMode"] == 0o400


def run(*arguments, **environ):
    command = [sys.executable, "-m", *arguments]
    folder, variables = EXAMPLES / "portal", environment(**environ)
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("mode", [0o400, 0o440])
def test_the_image_runs_with_the_keys_as_a_file(sqlite_url, tmp_path, mode):
    keys = tmp_path / "token_keys"
    keys.write_text(run("zoho_tokenstore", "keys", "generate"))
    keys.chmod(mode)
    variables = {
        "ZOHO_TOKENSTORE_URL": sqlite_url,
        "ZOHO_TOKENSTORE_KEYS_FILE": str(keys),
        "ZOHO_CLIENT_ID": "1000.MYCLIENT",
        "ZOHO_CLIENT_SECRET": "my-client-secret",
        "PORTAL_REDIRECT_URL": "https://portal.example.com/callback",
        "PORTAL_SECRET_KEY": "signs-the-session-cookies",
        "TMPDIR": str(tmp_path),
    }
    run("zoho_tokenstore", "upgrade", **variables)
    assert json.loads(run("zoho_tokenstore", "current", "--json", **variables))
    name, *arguments = command_of_image()
    assert name == "gunicorn"
    run(name, "--check-config", *arguments, **variables)
