"""``manage.py tokens …``: the store's command line on this site's database."""

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from zoho_tokenstore.cli import app


class Command(BaseCommand):
    """Run ``upgrade`` in each deployment, beside ``migrate``."""

    help = "Run a command of zoho-tokenstore on the database of this site, such as: tokens upgrade"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Pass everything on."""
        parser.add_argument("arguments", nargs=argparse.REMAINDER)

    def handle(self, *_: Any, **options: Any) -> None:
        """Run it."""
        url = ["--url", settings.ZOHO_TOKENSTORE_URL]
        app([*options["arguments"], *url], standalone_mode=False)
