"""The command line ``zoho-tokenstore``.

Data goes to stdout, messages to stderr. Exit status: 0 success, 1 failure, 2 wrong usage.
"""

import sys
from typing import Annotated, Final

import typer

from zoho_tokenstore import __version__
from zoho_tokenstore.cli import (
    audit,
    demo,
    doctor,
    imports,
    keys,
    local_zoho,
    refresh,
    removal,
    schema,
    stats,
    tokens,
    transfer,
    watch,
)
from zoho_tokenstore.cli.console import (
    data,
    discard_output,
    flush_output,
    messages,
    tolerate_encodings,
    warnings_as_messages,
)
from zoho_tokenstore.cli.options import Url
from zoho_tokenstore.errors import BadKeyError, ConfigurationError, TokenStoreError

__all__ = ["app", "main"]

FAILED: Final = 1
WRONG_USAGE: Final = 2

app = typer.Typer(
    name="zoho-tokenstore",
    help="Manage the OAuth tokens of Zoho CRM's Python SDKs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
schema.register(app)
keys.register(app)
tokens.register(app)
refresh.register(app)
stats.register(app)
removal.register(app)
imports.register(app)
transfer.register(app)
audit.register(app)
doctor.register(app)
watch.register(app)
demo.register(app)
local_zoho.register(app)


def _print_version(*, requested: bool) -> None:
    if requested:
        data.print(__version__)
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    *,
    url: Url = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Manage the OAuth tokens of Zoho CRM's Python SDKs."""
    context.obj = url


_command: Final = typer.main.get_command(app)


def main() -> None:
    """Run the command line and end the process with its exit status."""
    tolerate_encodings()
    with warnings_as_messages():
        sys.exit(_status())


def _status() -> int:
    try:
        status = _command(standalone_mode=False)
        flush_output()
    except typer.TyperException as error:
        _print_usage_error(error)
        return error.exit_code
    except typer.Abort:
        messages.print("zoho-tokenstore: aborted", "red")
        return FAILED
    except TokenStoreError as error:
        messages.print(f"zoho-tokenstore: {error}", "red")
        return WRONG_USAGE if type(error) in (ConfigurationError, BadKeyError) else FAILED
    except OSError as error:
        discard_output()
        messages.print(f"zoho-tokenstore: output failed: {error.strerror or error}", "red")
        return FAILED
    return status or 0


def _print_usage_error(error: typer.TyperException) -> None:
    """Print an error about the arguments, which Typer would print with their control characters."""
    if message := error.format_message():  # none after help, printed for a missing command
        messages.print(f"zoho-tokenstore: {message}", "red")
        context = getattr(error, "ctx", None)
        if context is not None:
            messages.print(f"run '{context.command_path} --help' for help")
