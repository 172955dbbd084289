"""Start the portal with a local Zoho and SQLite: ``make portal``."""

import os
import secrets
import tempfile
from pathlib import Path

from portal import create_app

from zoho_tokenstore import Keyring
from zoho_tokenstore.testing import LocalZoho

STUDENTS = {
    "alice@example.com": ("Mary Jones", "Samuel Okafor", "Ines Marques"),
    "bob@example.com": ("Tomás Núñez", "Ada Bell", "Jun Mori"),
}


def main() -> None:
    """Serve until Ctrl-C; what the environment sets already stays as it is."""
    port = int(os.environ.get("PORT", "8000"))
    address = f"http://127.0.0.1:{port}"
    with LocalZoho() as zoho, tempfile.TemporaryDirectory() as folder:
        for user, names in STUDENTS.items():
            for first, last in map(str.split, names):
                student = {"First_Name": first, "Last_Name": last, "Company": "Pottery"}
                zoho.add_records(
                    user, "Leads", [student | {"Email": f"{last.lower()}@example.org"}]
                )
        defaults = {
            "PORTAL_REDIRECT_URL": f"{address}/callback",
            "PORTAL_SECRET_KEY": secrets.token_hex(32),
            "ZOHO_TOKENSTORE_URL": f"sqlite:///{Path(folder) / 'tokens.db'}",
            "ZOHO_TOKENSTORE_KEYS": Keyring.generate_key(),
        }
        if "ZOHO_CLIENT_ID" not in os.environ:  # else it is the real Zoho
            defaults |= {
                "ZOHO_CLIENT_ID": "1000.PORTAL",
                "ZOHO_CLIENT_SECRET": secrets.token_hex(21),
                "ZOHO_TOKENSTORE_ACCOUNTS_URL": zoho.accounts_url,
            }
        for name, value in defaults.items():
            os.environ.setdefault(name, value)
        app = create_app()
        print(f"The portal: {address}", flush=True)
        app.run(host="127.0.0.1", port=port, threaded=True)


if __name__ == "__main__":
    main()
