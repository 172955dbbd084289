"""The recipes as they are run: under their own servers, workers and commands."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from applications import EXAMPLES, copied, free_port, serving
from commands import environment
from support import logged_in
from zoho_tokenstore import SQLAlchemyTokenStore

USERS = [f"user{number}@example.com" for number in range(4)]


@pytest.fixture
def settings(zoho, sqlite_url):
    """The environment of an application, with users whose access tokens have expired."""
    with SQLAlchemyTokenStore(sqlite_url) as store:
        for email in USERS:
            logged_in(zoho, store, email, expiry="1000")
    return {
        "ZOHO_TOKENSTORE_URL": sqlite_url,
        "ZOHO_TOKENSTORE_ACCOUNTS_URL": zoho.accounts_url,
    }


def run(folder, *command, **environ):
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment(**environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_fastapi_answers_each_user_as_themselves(settings, zoho, tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)]
    log = tmp_path / "log"
    with serving(command, port, copied("fastapi_app", tmp_path), log, **settings) as address:

        def ask(number):
            path = "sdk/leads" if number % 2 else "leads"
            user = USERS[number % len(USERS)]
            headers = {"X-User": user}
            answer = requests.get(f"{address}/{path}/1", headers=headers, timeout=60)
            return answer.json()["Email"] == user

        with ThreadPoolExecutor(16) as threads:
            assert all(threads.map(ask, range(48)))
        refreshed = [request.email for request in zoho.requests if request.kind == "refresh"]
        assert sorted(refreshed) == USERS
        unknown = requests.get(f"{address}/leads/1", headers={"X-User": "nobody"}, timeout=60)
        assert unknown.status_code == 401
        assert "nobody" in unknown.json()["detail"]
        assert requests.get(f"{address}/leads/1", timeout=60).status_code == 401


def test_celery_workers_answer_each_task_as_its_user(settings, zoho, tmp_path):
    environ = settings | {"CELERY_FOLDER": str(tmp_path / "celery"), "TMPDIR": str(tmp_path)}
    folder = copied("celery_tasks", tmp_path)
    send = (
        "import sys, json\n"
        "from tasks import email_of_lead\n"
        "users = json.loads(sys.argv[1])\n"
        "results = [email_of_lead.delay(user, 1) for user in users * 5]\n"
        "print(json.dumps([result.get(timeout=90) for result in results]))\n"
    )
    command = ["-m", "celery", "-A", "tasks", "worker", "-c", "4", "-P", "prefork"]
    with (tmp_path / "worker.log").open("w") as log:
        worker = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=environment(**environ),
            stdout=log,
            stderr=log,
        )
        try:
            done = run(folder, "-W", "ignore", "-c", send, json.dumps(USERS), **environ)
        finally:
            worker.terminate()
            worker.wait(60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == USERS * 5
    refreshed = [request.email for request in zoho.requests if request.kind == "refresh"]
    assert sorted(refreshed) == USERS


def test_django_keeps_the_tokens_in_its_own_database(zoho, tmp_path):
    folder = copied("django_site", tmp_path)
    database = tmp_path / "site.sqlite3"
    environ = {
        "DJANGO_DATABASE": str(database),
        "ZOHO_TOKENSTORE_ACCOUNTS_URL": zoho.accounts_url,
        "TMPDIR": str(tmp_path),
    }
    for command in (["migrate"], ["tokens", "upgrade"], ["migrate"], ["tokens", "check"]):
        done = run(folder, "manage.py", *command, **environ)
        assert done.returncode == 0, done.stderr
    with SQLAlchemyTokenStore(f"sqlite:///{database}", create=False) as store:
        zoho.add_records(USERS[0], "Leads", [{"Last_Name": "Jones"}])
        logged_in(zoho, store, USERS[0], expiry="1000")
    done = run(folder, "manage.py", "tokens", "list", "--json", **environ)
    assert [row["user_name"] for row in json.loads(done.stdout)] == [USERS[0]]
    port = free_port()
    command = [sys.executable, "manage.py", "runserver", "--noreload", str(port)]
    with serving(command, port, folder, tmp_path / "log", **environ) as address:
        answer = requests.get(f"{address}/leads", headers={"X-User": USERS[0]}, timeout=60)
        assert answer.json() == {"leads": ["Jones"]}
        assert requests.get(f"{address}/leads", timeout=60).status_code == 401


def test_a_lambda_writes_to_its_one_writable_folder(settings, zoho, tmp_path):
    call = (
        "import json, handler\n"
        "print(json.dumps([handler.handler({'user_name': user, 'lead': 1}, None)"
        f" for user in {USERS!r}]))\n"
    )
    task, writable = tmp_path / "task", tmp_path / "writable"
    task.mkdir()
    writable.mkdir()
    (task / "handler.py").write_bytes((EXAMPLES / "aws_lambda" / "handler.py").read_bytes())
    environ = settings | {"SDK_FOLDER": str(writable), "PYTHONDONTWRITEBYTECODE": "1"}
    done = run(task, "-c", call, **environ)
    assert done.returncode == 0, done.stderr
    assert [answer["Email"] for answer in json.loads(done.stdout)] == USERS
    assert [path.name for path in task.iterdir()] == ["handler.py"]
    assert any(writable.iterdir()), "what the SDK writes"
    assert zoho.count("refresh") == len(USERS)


def test_the_script_prints_the_users_leads(settings, zoho, tmp_path):
    zoho.add_records(USERS[0], "Leads", [{"Last_Name": "Jones", "Email": "j@example.org"}])
    script = EXAMPLES / "script" / "leads.py"
    done = run(tmp_path, str(script), USERS[0], **settings)
    assert (done.returncode, done.stdout) == (0, "Jones\tj@example.org\n"), done.stderr
    unknown = run(tmp_path, str(script), "nobody", **settings)
    assert unknown.returncode == 1
    assert "no token is stored for the user 'nobody'" in unknown.stderr
    assert "Traceback" not in unknown.stderr
