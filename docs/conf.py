"""Sphinx's configuration; `make docs` treats warnings as errors."""

from importlib.metadata import version as installed_version

project = "zoho_tokenstore"
copyright = "the zoho_tokenstore authors"
release = version = installed_version("zoho-tokenstore")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
html_theme = "furo"
html_title = "zoho_tokenstore"
exclude_patterns = ["_build"]
nitpicky = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # or os.environ as a default shows the environment of the build
autodoc_typehints = "description"
napoleon_google_docstring = True
