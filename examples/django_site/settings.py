"""A small Django site that keeps the tokens in its own database."""

import os
from pathlib import Path

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "not for production")
DATABASE = Path(os.environ.get("DJANGO_DATABASE", "site.sqlite3")).resolve()
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "students",
]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
ROOT_URLCONF = "students.urls"
ALLOWED_HOSTS = ["*"]
USE_TZ = True

# The same database; SQLAlchemy's URL instead of Django's dictionary.
ZOHO_TOKENSTORE_URL = f"sqlite:///{DATABASE}"
