import os
import secrets
import sys

import pytest

from applications import copied, free_port, serving
from sdks import DISTRIBUTION
from zoho_tokenstore import Keyring

if DISTRIBUTION != "zohocrmsdk8-0":
    collect_ignore_glob = ["*.py"]


@pytest.fixture
def portal(zoho, tmp_path):
    """The portal behind gunicorn, two processes of eight threads each."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    secret = secrets.token_hex(8)
    zoho.accounts.register_client("1000.PORTAL", secret, [f"{address}/callback"])
    command = [sys.executable, "-m", "gunicorn", "-w", "2", "--threads", "8"]
    with serving(
        [*command, "-b", f"127.0.0.1:{port}", "portal:create_app()"],
        port,
        copied("portal", tmp_path),
        tmp_path / "portal.log",
        ZOHO_CLIENT_ID="1000.PORTAL",
        ZOHO_CLIENT_SECRET=secret,
        ZOHO_TOKENSTORE_URL=f"sqlite:///{tmp_path / 'tokens.db'}",
        ZOHO_TOKENSTORE_KEYS=Keyring.generate_key(),
        ZOHO_TOKENSTORE_ACCOUNTS_URL=zoho.accounts_url,
        PORTAL_REDIRECT_URL=f"{address}/callback",
        PORTAL_SECRET_KEY=secrets.token_hex(16),
        TMPDIR=str(tmp_path),
        PATH=os.environ["PATH"],
    ) as address:
        yield address
