import pytest

from benchmarks.targets import OURS, TARGETS, evaluate

SQLITE, POSTGRESQL, MARIADB, MYSQL = "sqlite", "postgresql", "mariadb", "mysql"
FIND, SAVE = "find by user", "save update"
ENCRYPTED = f"{OURS}, keyring"

RATIOS = {
    "Lookup on SQLite, relative to bare sqlite3": (SQLITE, "bare driver", 9, FIND),
    "Lookup on SQLite, relative to SQLAlchemy Core": (SQLITE, "SQLAlchemy Core", 9, FIND),
    "Lookup on SQLite, relative to the naive store": (SQLITE, "naive SQLite", 9, FIND),
    "Lookup on SQLite, 200,000 tokens: times as fast as the naive store": (
        *(SQLITE, "naive SQLite", 200_000, FIND),
    ),
    "Lookup on SQLite, 1,000 tokens: coordinated relative to uncoordinated": (
        *(SQLITE, f"{OURS}, uncoordinated", 1_000, FIND),
    ),
    "Lookup on PostgreSQL, relative to bare psycopg": (POSTGRESQL, "bare driver", 9, FIND),
    "Lookup on MariaDB, relative to bare PyMySQL": (MARIADB, "bare driver", 9, FIND),
    "Lookup on MySQL, relative to bare PyMySQL": (MYSQL, "bare driver", 9, FIND),
    "Lookup on MariaDB: times as fast as DBStore": (MARIADB, "DBStore", 9, FIND),
    "Lookup on MariaDB, 50,000 tokens: times as fast as DBStore": (
        MARIADB,
        "DBStore",
        50_000,
        FIND,
    ),
    "Save on MariaDB: times as fast as DBStore": (MARIADB, "DBStore", 9, SAVE),
    "Save on MariaDB, 50,000 tokens: times as fast as DBStore": (MARIADB, "DBStore", 50_000, SAVE),
    **{
        f"{save} on {name}{mode}, relative to the bare driver": (
            *(database, "bare driver", 1_000, operation, ours),
        )
        for save, operation in (("Save after a refresh", SAVE), ("Save of a new user", "save new"))
        for database, name in ((SQLITE, "SQLite"), (POSTGRESQL, "PostgreSQL"), (MARIADB, "MariaDB"))
        for mode, ours in (("", OURS), (", encrypted", ENCRYPTED))
    },
}
"""What our lookup or save is compared with; the store without keys, unless one is named."""

OTHERS = {
    "Lookup on SQLite, 1,000,000 tokens relative to 9",
    "Lookup on SQLite, 1,000 tokens: encrypted relative to readable",
    "Lookups by 1 to 64 threads on PostgreSQL: at worst, times as many as SQLAlchemy Core",
    "Lookups by 1 to 64 threads on MariaDB: at worst, times as many as SQLAlchemy Core",
    "Connections opened by up to 64 threads after the first lookups",
    "Tokens loaded per second on SQLite",
    "Tokens loaded per second on SQLite, encrypted",
    "Tokens loaded per second on PostgreSQL",
    "MiB of memory of any operation, 1,000,000 tokens",
    "Refreshes per crowd, on any database",
    "Processes of a crowd that were not served, on any database",
}

GOALS = {target.text: target for target in TARGETS}


def call(database, peer, rows, operation, median):
    about = {"database": database, "peer": peer, "rows": rows, "operation": operation}
    return about | {"median": median, "quartiles": [median] * 2, "minimum": median, "calls": 3}


def results_of(section, *records):
    return {section: {"records": list(records)}}


def verdict(text, results):
    (found,) = (one for one in evaluate(results) if one.text == text)
    return found.found, found.met


def compared(text, factor):
    """Return results in which we are so many times as slow, or as fast, as the goal says."""
    database, peer, rows, operation, *other_store = RATIOS[text]
    (store,) = other_store or [OURS]
    target = GOALS[text]
    ours = 1e-3
    other = ours * target.goal * factor if target.at_least else ours / (target.goal * factor)
    return results_of(
        "latency",
        call(database, store, rows, operation, ours),
        call(database, peer, rows, operation, other),
    )


def crowd(database, processes, refreshes, succeeded):
    about = {"database": database, "peer": OURS, "processes": processes, "seconds": 1.0}
    return about | {"refreshes": refreshes, "succeeded": succeeded}


def test_every_target_is_tested_here():
    assert GOALS.keys() == RATIOS.keys() | OTHERS


def test_of_no_results_nothing_is_measured_and_nothing_is_met():
    assert [(one.found, one.met) for one in evaluate({})] == [(None, None)] * len(TARGETS)


@pytest.mark.parametrize("text", RATIOS)
def test_a_ratio_on_one_side_of_its_goal_is_met_and_on_the_other_missed(text):
    target = GOALS[text]
    better, worse = (1.01, 0.99) if target.at_least else (0.99, 1.01)
    assert verdict(text, compared(text, better)) == (pytest.approx(target.goal * better), True)
    assert verdict(text, compared(text, worse)) == (pytest.approx(target.goal * worse), False)


@pytest.mark.parametrize("text", RATIOS)
def test_a_ratio_to_a_peer_that_was_skipped_or_left_out_is_not_measured(text):
    results = compared(text, 1)
    ours, other = results["latency"]["records"]
    skipped = {name: other[name] for name in ("database", "peer", "rows", "operation")}
    assert verdict(text, results_of("latency", ours)) == (None, None)
    assert verdict(text, results_of("latency", ours, skipped | {"skipped": "no"})) == (None, None)
    assert verdict(text, results_of("latency", other)) == (None, None)


@pytest.mark.parametrize(("last", "met"), [(1.19, True), (1.21, False)])
def test_a_million_tokens_may_cost_a_fifth_more_than_nine(last, met):
    calls = [call(SQLITE, OURS, rows, FIND, cost) for rows, cost in ((9, 1), (1_000_000, last))]
    text = "Lookup on SQLite, 1,000,000 tokens relative to 9"
    assert verdict(text, results_of("latency", *calls)) == (last, met)
    assert verdict(text, results_of("latency", calls[0])) == (None, None)


@pytest.mark.parametrize(("encrypted", "met"), [(1.14, True), (1.16, False)])
def test_encryption_is_measured_against_the_readable_store(encrypted, met):
    calls = [
        call(SQLITE, OURS, 1_000, FIND, 1),
        call(SQLITE, f"{OURS}, keyring", 1_000, FIND, encrypted),
    ]
    text = "Lookup on SQLite, 1,000 tokens: encrypted relative to readable"
    assert verdict(text, results_of("latency", *calls)) == (encrypted, met)


@pytest.mark.parametrize(
    ("text", "database", "ours", "goal"),
    [
        ("Tokens loaded per second on SQLite", SQLITE, OURS, 20_000),
        ("Tokens loaded per second on SQLite, encrypted", SQLITE, ENCRYPTED, 15_000),
        ("Tokens loaded per second on PostgreSQL", POSTGRESQL, OURS, 10_000),
    ],
)
def test_loading_counts_with_the_audit(text, database, ours, goal):
    def load(peer, rate):
        return {"database": database, "peer": peer, "rows": 20_000, "rows_per_second": rate}

    fast = load(f"{OURS}, no audit", 10 * goal)
    assert verdict(text, results_of("load", fast)) == (None, None)
    assert verdict(text, results_of("load", fast, load(ours, goal))) == (goal, True)
    assert verdict(text, results_of("load", fast, load(ours, goal - 1))) == (goal - 1, False)


def test_memory_is_that_of_the_greediest_operation_over_a_million_tokens():
    def seen(rows, peak):
        return {"operation": "import", "rows": rows, "early_mib": 90, "peak_mib": peak}

    text = "MiB of memory of any operation, 1,000,000 tokens"
    many = [seen(1_000_000, 100), seen(1_000_000, 120)]
    assert verdict(text, results_of("memory", seen(9, 60))) == (None, None)
    assert verdict(text, results_of("memory", *many)) == (120, True)
    assert verdict(text, results_of("memory", seen(1_000_000, 121), *many)) == (121, False)


def test_one_crowd_of_one_database_with_two_refreshes_breaks_the_promise():
    text = "Refreshes per crowd, on any database"
    good = [crowd(database, 64, 1, 64) for database in (SQLITE, MARIADB)]
    assert verdict(text, results_of("crowds", *good)) == (1, True)
    assert verdict(text, results_of("crowds", *good, crowd(MYSQL, 4, 2, 4))) == (2, False)


def test_a_crowd_that_was_not_served_breaks_the_promise():
    text = "Processes of a crowd that were not served, on any database"
    assert verdict(text, results_of("crowds", crowd(SQLITE, 64, 1, 64))) == (0, True)
    assert verdict(text, results_of("crowds", crowd(SQLITE, 64, 1, 63))) == (1, False)


def lookups(peer, threads, rate, opened=0):
    about = {"database": POSTGRESQL, "peer": peer, "threads": threads, "opened": opened}
    return about | {"lookups_per_second": rate, "p50": 1.0, "p99": 1.0, "wrong": 0}


def test_the_number_of_threads_with_which_core_is_fastest_decides():
    text = "Lookups by 1 to 64 threads on PostgreSQL: at worst, times as many as SQLAlchemy Core"
    few = [lookups(OURS, 1, 300), lookups("SQLAlchemy Core", 1, 100)]
    many = [lookups(OURS, 64, 90), lookups("SQLAlchemy Core", 64, 100)]
    assert verdict(text, results_of("threads", few[0])) == (None, None)
    assert verdict(text, results_of("threads", *few)) == (3, True)
    assert verdict(text, results_of("threads", *few, *many)) == (0.9, False)


def test_one_connection_that_is_opened_late_breaks_the_promise():
    text = "Connections opened by up to 64 threads after the first lookups"
    core = lookups("SQLAlchemy Core", 64, 100, opened=7)
    assert verdict(text, results_of("threads", core, lookups(OURS, 64, 100))) == (0, True)
    assert verdict(text, results_of("threads", lookups(OURS, 8, 100, opened=1))) == (1, False)
