"""Sessions that the Makefile's one environment cannot hold: other versions, SDKs, and the wheel."""

from pathlib import Path
from xml.etree import ElementTree as ET

import nox

nox.options.sessions = ["tests", "lint", "types", "docs", "wheel"]
nox.options.default_venv_backend = "uv|virtualenv"

PYTHONS = ["3.11", "3.12", "3.13"]
EXTRAS = ".[sdk8-0,postgresql,mysql]"
SDKS = {
    "zcrmsdk": ["3.1.0"],
    "zohocrmsdk2-0": ["6.0.0"],
    "zohocrmsdk2-1": ["3.0.0"],
    "zohocrmsdk5-0": ["2.0.0"],
    "zohocrmsdk6-0": ["8.0.0"],
    "zohocrmsdk7-0": ["6.0.0"],
    "zohocrmsdk8-0": ["6.0.0", "7.0.0"],
}
"""The last release of each distribution, and of the newest the one before."""

LOWEST_DRIVERS = [
    "psycopg[binary]==3.2.13",
    "psycopg2-binary==2.9.6",
    "PyMySQL==1.1.0",
    "mysqlclient==2.2.0",
    "mysql-connector-python==9.7.0",
]

ABOUT_THE_SDK = [
    "tests/contract",
    "tests/transfer/test_sdk_stores.py",
    "--deselect=tests/contract/test_precedence.py",
    "--deselect=tests/contract/test_hostile_text.py",
]
"""The tests that can tell one SDK from another."""

ABOUT_REFRESHES = ["tests/refresh/test_crowds.py", "tests/refresh/test_failures.py"]
ONE_OF_EACH_KIND = ["zcrmsdk==3.1.0", "zohocrmsdk2-1==3.0.0", "zohocrmsdk5-0==2.0.0"]
"""Releases that refresh in different ways; that of ``make test`` is the fourth."""

SDK_RESULTS = Path(".nox/sdk-results")


def _install(session: nox.Session, group: str, *pins: str, extras: str = EXTRAS) -> None:
    session.install(
        "-e", extras, *nox.project.dependency_groups(nox.project.load_toml(), group), *pins
    )


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the suite with the newest versions of everything."""
    _install(session, "bench")
    session.run("pytest", "-n", "4", *session.posargs)


@nox.session(python=PYTHONS)
def coverage(session: nox.Session) -> None:
    """Run the suite and report the branches that it leaves out; it takes half as long again."""
    _install(session, "bench")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", "-n", "4", *session.posargs)
    session.run("coverage", "combine", "-q")
    session.run("coverage", "report")


@nox.session(python="3.11")
def sqlalchemy20(session: nox.Session) -> None:
    """Run the suite with the newest SQLAlchemy 2.0."""
    _install(session, "bench", "SQLAlchemy<2.1")
    session.run("pytest", "-n", "4", *session.posargs)


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """Run the suite with the oldest versions that pyproject.toml allows."""
    lower_bounds = [
        requirement.replace(">=", "==")
        for requirement in nox.project.load_toml()["project"]["dependencies"]
    ]
    _install(session, "bench", *lower_bounds)
    # Old releases meet new ones of their own dependencies (typer and click) with warnings.
    session.run("pytest", "-n", "4", "-W", "default::DeprecationWarning", *session.posargs)


@nox.session(python="3.11")
def lowest_drivers(session: nox.Session) -> None:
    """Meet the faults of real servers with the oldest drivers that the documentation allows."""
    _install(session, "test")
    session.install(*LOWEST_DRIVERS)  # some are older than the tests otherwise ask for
    session.run(
        "pytest",
        *("-n", "4", "tests/faults", "tests/database", "tests/contract/test_find_and_save.py"),
        *session.posargs,
    )


@nox.session(python="3.11")
@nox.parametrize(
    "release", [f"{name}=={version}" for name, versions in SDKS.items() for version in versions]
)
def sdk(session: nox.Session, release: str) -> None:
    """Run the contract with the real SDK of each distribution."""
    _install(session, "test", release, extras=".[mysql]")
    session.notify("sdk_table")
    results = SDK_RESULTS / f"{release}.xml"
    refreshes = ABOUT_REFRESHES if release in ONE_OF_EACH_KIND else []
    session.run(
        "pytest",
        *("-q", "-n", "4", *ABOUT_THE_SDK, *refreshes),
        *(f"--junitxml={results}", *session.posargs),
        env={"TEST_STORES": "sqlite"},
    )


@nox.session(python="3.11")
def sdk_both(session: nox.Session) -> None:
    """Use both SDKs in one process, as the documentation shows it."""
    _install(session, "test", "zcrmsdk==3.1.0")
    session.notify("sdk_table")
    results = SDK_RESULTS / "zcrmsdk==3.1.0 and zohocrmsdk8-0 in one process.xml"
    session.run(
        "pytest",
        *("-q", "tests/sdk", "tests/docs", "-k", "two_sdks or sdk-contracts"),
        *(f"--junitxml={results}", *session.posargs),
        env={"TEST_SDK": "zohocrmsdk"},
    )


@nox.session(python=False, default=False)
def sdk_table(session: nox.Session) -> None:
    """Print a line per distribution of the SDK tests that were run."""
    session.log(f"{'passed':>8}{'failed':>8}{'skipped':>9}  distribution")
    for path in sorted(SDK_RESULTS.glob("*.xml")):
        suite = next(ET.parse(path).getroot().iter("testsuite"))  # noqa: S314 - pytest wrote it
        counts = {name: int(suite.get(name, 0)) for name in ("tests", "skipped")}
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        passed = counts["tests"] - counts["skipped"] - failed
        session.log(f"{passed:>8}{failed:>8}{counts['skipped']:>9}  {path.stem}")
        path.unlink()


@nox.session(python="3.11")
def cluster(session: nox.Session) -> None:
    """Run against PgBouncer, a failing PostgreSQL primary and a Galera cluster."""
    _install(session, "test")
    session.run("pytest", "-m", "cluster", "tests/faults/test_clusters.py", *session.posargs)


@nox.session(python="3.11")
@nox.parametrize("release", [*ONE_OF_EACH_KIND, "zohocrmsdk8-0==7.0.0"])
def large(session: nox.Session, release: str) -> None:
    """Run the crowds, those of 64 processes too, on every database."""
    _install(session, "test", release, extras=".[postgresql,mysql]")
    session.run(
        "pytest", "-q", "-m", "large or not large", "tests/refresh/test_crowds.py", *session.posargs
    )


@nox.session(python="3.11")
def mutants(session: nox.Session) -> None:
    """Change the code of tokens/, refresh/, storage/, encryption/ and sdk/, and see a test fail.

    It takes hours; arguments name modules, such as ``"zoho_tokenstore.tokens.*"``. Messages that
    differ survive: no test compares them as a whole. So do most changes of statements.py, whose
    statements are built in the first test that needs them: try these with all tests. mutmut
    collects twice in one process, where the id of a test must not change: a function that makes
    ids must not put a backslash into them, which pytest would escape once more.
    """
    _install(session, "test", "mutmut>=3.8")
    env = {"TEST_STORES": "sqlite,encrypted"}
    session.run("mutmut", "run", *session.posargs, env=env, success_codes=[0, 1])
    session.run("mutmut", "results", env=env)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    _install(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports")


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


@nox.session
@nox.parametrize("kind", ["*.whl", "*.tar.gz"])
def dist(session: nox.Session, kind: str) -> None:
    """Install what `make dist` has built in a clean environment, and run the demonstration."""
    (built,) = Path("dist").absolute().glob(kind)
    session.install(f"zoho-tokenstore[sdk8-0] @ {built.as_uri()}")
    session.chdir(session.create_tmp())
    session.run("zoho-tokenstore", "--version")
    session.run("zoho-tokenstore", "demo")
