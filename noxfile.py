"""Sessions that the Makefile's one environment cannot hold: other versions, and the wheel."""

import nox

nox.options.sessions = ["tests", "lint", "types", "docs", "wheel"]
nox.options.default_venv_backend = "uv|virtualenv"

PYTHONS = ["3.11", "3.12", "3.13"]
EXTRAS = ".[sdk8-0,postgresql,mysql]"


def _install(session: nox.Session, group: str, *pins: str) -> None:
    session.install(
        "-e", EXTRAS, *nox.project.dependency_groups(nox.project.load_toml(), group), *pins
    )


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the suite with the newest versions of everything."""
    _install(session, "test")
    session.run("pytest", *session.posargs)


@nox.session(python="3.11")
def sqlalchemy20(session: nox.Session) -> None:
    """Run the suite with the newest SQLAlchemy 2.0."""
    _install(session, "test", "SQLAlchemy<2.1")
    session.run("pytest", *session.posargs)


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """Run the suite with the oldest versions that pyproject.toml allows."""
    lower_bounds = [
        requirement.replace(">=", "==")
        for requirement in nox.project.load_toml()["project"]["dependencies"]
    ]
    _install(session, "test", *lower_bounds)
    # Old releases meet new ones of their own dependencies (typer and click) with warnings.
    session.run("pytest", "-W", "default::DeprecationWarning", *session.posargs)


@nox.session(python="3.11")
def cluster(session: nox.Session) -> None:
    """Run against PgBouncer, a failing PostgreSQL primary and a Galera cluster."""
    _install(session, "test")
    session.run("pytest", "-m", "cluster", "tests/cluster", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    _install(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    _install(session, "dev")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; warnings are errors."""
    _install(session, "docs")
    session.run("sphinx-build", "-q", "-W", "-b", "html", "docs", "docs/_build/html")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel and use it in an environment that has nothing else."""
    _install(session, "test")
    session.run("pytest", "tests/test_wheel.py")
