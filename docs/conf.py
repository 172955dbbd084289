"""Sphinx's configuration; `make docs` treats warnings as errors."""

import inspect
import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Final

from docutils import nodes
from sphinx.application import Sphinx

from zoho_tokenstore import RefreshPolicy, SQLAlchemyTokenStore
from zoho_tokenstore.schema.models import DEFAULT_TABLE

project = "zoho_tokenstore"
copyright = "the zoho_tokenstore authors"
release = version = installed_version("zoho-tokenstore")

sys.path.insert(0, str(Path(__file__).parent))  # for the extensions in this folder

extensions = [
    "boxes",
    "sequence",
    "terminal",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
html_theme = "furo"
html_title = "zoho_tokenstore"
html_domain_indices = False  # one module
html_static_path = ["_static"]
html_css_files = ["style.css"]
exclude_patterns = ["_build"]
nitpicky = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # or os.environ as a default shows the environment of the build
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"  # attributes are listed as such
napoleon_google_docstring = True

SAYS_NOTHING: Final = {"None", "Self", "Any"}
"""Types that tell a reader nothing."""

SHOWN_TYPES: Final = {
    ("rtype", "Any"): "OAuthToken | None",
    ("rtype", "list[Any]"): "list[OAuthToken]",
    ("rtype", "Iterator[Any]"): "Iterator[OAuthToken]",
    ("rtype", "Iterator[None]"): "context manager",
    ("type token", "Any"): "OAuthToken",
    ("type user", "Any"): "UserSignature",
    ("type id", "str | Any"): "str | OAuthToken",
    ("type environment", "Any | None"): "Environment | None",
    ("type tokens", "Iterable[Any]"): "Iterable[OAuthToken]",
}
"""Types as a reader knows them: the SDKs have no type information, so theirs are ``Any``."""


class Shown:
    """A default value as a signature shows it."""

    def __init__(self, text: str) -> None:
        """Remember the text."""
        self.text = text

    def __repr__(self) -> str:
        """Return the text."""
        return self.text


def show_constructor() -> None:
    """Let the store's signature be that of ``__init__``: ``__new__`` only keeps the arguments."""
    parameters = [
        each.replace(default=Shown("RefreshPolicy()"))
        if isinstance(each.default, RefreshPolicy)
        else each
        for each in inspect.signature(SQLAlchemyTokenStore.__init__).parameters.values()
    ]
    SQLAlchemyTokenStore.__signature__ = inspect.Signature(parameters[1:])  # type: ignore[attr-defined]


def show_values(*event: object) -> tuple[str | None, str | None]:
    """Replace names of constants in a signature by their values."""
    signature, returned = event[-2:]
    text = str(signature or "").replace("DEFAULT_TABLE", repr(DEFAULT_TABLE))
    return text or None, str(returned) if returned else None


def show_types(app: Sphinx, domain: str, kind: str, content: nodes.Element) -> None:  # noqa: ARG001 - the event's arguments
    """Name the SDK's types, and leave out types that say nothing."""
    for field in list(content.findall(nodes.field)):
        text = re.sub(r"~[\w.]+\.", "", field[1].astext())  # as autodoc shortens names
        shown = SHOWN_TYPES.get((field[0].astext(), text), text)
        if shown in SAYS_NOTHING:
            field.parent.remove(field)
        elif shown != text:
            field[1].children = [nodes.paragraph("", shown)]


def setup(app: Sphinx) -> None:
    """Connect what changes the pages about the API."""
    show_constructor()
    app.connect("autodoc-process-signature", show_values)
    app.connect("object-description-transform", show_types, priority=900)  # after autodoc's own
