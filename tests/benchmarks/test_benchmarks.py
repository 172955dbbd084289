import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from benchmarks import __main__ as main
from benchmarks.places import Places
from benchmarks.plots import draw
from benchmarks.processors import ALLOWED, on_one
from benchmarks.report import pages
from benchmarks.results import add_section, read_results
from benchmarks.tables import SPACE
from benchmarks.targets import TARGETS
from servers import Servers, UnavailableError

AGAINST_BARE = next(target for target in TARGETS if "bare sqlite3" in target.text)
AGAINST_DBSTORE = next(
    target for target in TARGETS if "Lookup on MariaDB: times as fast" in target.text
)


def call(database, peer, median, rows=9, operation="find by user"):
    return {
        "database": database,
        "peer": peer,
        "operation": operation,
        "rows": rows,
        "median": median,
        "quartiles": [median, median],
        "minimum": median,
        "calls": 3,
    }


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "results.json"
    calls = [
        call("sqlite", "bare driver", 10e-6),
        call("sqlite", "zoho_tokenstore", 80e-6),
        call("mariadb", "zoho_tokenstore", 0.25e-3),
        call("mariadb", "DBStore", 1e-3),
        {
            "database": "mariadb",
            "peer": "DBStore",
            "operation": "save new",
            "rows": 1_000,
            "skipped": "duplicate",
        },
    ]
    add_section(path, "latency", calls, ["MariaDB 10.11"])
    crowd = {"database": "sqlite", "peer": "zoho_tokenstore", "succeeded": 16, "seconds": 1.2}
    crowds = [crowd | {"processes": number, "refreshes": 1} for number in (1, 16)]
    add_section(path, "crowds", crowds, [])
    return read_results(path)


def test_a_promise_is_kept_or_broken_by_the_ratio_of_one_run(results):
    found = AGAINST_BARE.find(results)
    assert (found, AGAINST_BARE.is_met(found)) == (pytest.approx(8), True)
    found = AGAINST_DBSTORE.find(results)
    assert (found, AGAINST_DBSTORE.is_met(found)) == (pytest.approx(4), False)


def written(results):
    """Return the pages, with ordinary spaces."""
    return {path: text.replace(SPACE, " ") for path, text in pages(results).items()}


def section_of(text, title):
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def test_the_first_page_has_a_section_for_what_is_met_missed_and_not_measured(results):
    text = written(results)["performance.md"]
    met = section_of(text, "Goals that are met")
    assert f"| {AGAINST_BARE.text} | at most 9 | 8 |" in met
    missed = section_of(text, "Goals that are not met")
    assert f"| {AGAINST_DBSTORE.text} | at least 6 | 4 |" in missed
    assert "1,000,000 tokens relative to 9" in section_of(text, "Goals that were not measured")


def test_the_first_page_begins_with_what_a_call_costs(results):
    calls = results["latency"]["records"]
    calls.append(call("postgresql", "zoho_tokenstore", 0.2e-3, rows=1_000))
    text = written(results)["performance.md"].split("## Goals")[0]
    assert "A lookup takes 200 µs on PostgreSQL." in text
    assert "| **zoho_tokenstore** | PostgreSQL | 200 µs | \N{EN DASH} | \N{EN DASH} |" in text
    assert "| **zoho_tokenstore** | SQLite | 1 | 16 of 16 |" in text


def test_the_pages_show_times_and_what_a_peer_failed_at(results):
    found = written(results)
    assert "| zoho_tokenstore | 80 µs | 8.00 |" in found["performance/lookups.md"]
    assert "| DBStore | 1 ms | \N{EN DASH} |" in found["performance/lookups.md"]
    failed = "- DBStore on MariaDB, save new, 1,000 tokens: `duplicate`"
    assert failed in found["performance/operations.md"]
    assert "MariaDB 10.11" in found["performance/method.md"]


def test_the_page_about_workers_shows_threads_that_share_a_store(tmp_path):
    path = tmp_path / "results.json"
    record = {"database": "mariadb", "peer": "zoho_tokenstore", "threads": 64, "opened": 2}
    record |= {"lookups_per_second": 3_721.4, "p50": 2e-3, "p99": 21e-3, "wrong": 0}
    add_section(path, "threads", [record], [])
    line = "| zoho_tokenstore | MariaDB | 64 | 3,721 | 2 ms | 21 ms | 0 | 2 |"
    assert line in written(read_results(path))["performance/workers.md"]


def test_a_number_and_its_unit_stay_on_one_line(results):
    found = pages(results)
    assert f"| 80{SPACE}µs |" in found["performance/lookups.md"]
    assert f"| at{SPACE}most{SPACE}9 |" in found["performance.md"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(999.4e-6, "999 µs"), (999.6e-6, "1 ms"), (0.9994, "999 ms"), (0.9996, "1 s")],
)
def test_the_page_shows_times_without_exponents(tmp_path, seconds, shown):
    path = tmp_path / "results.json"
    add_section(path, "latency", [call("sqlite", "zoho_tokenstore", seconds)], [])
    assert f"| zoho_tokenstore | {shown} |" in written(read_results(path))["performance/lookups.md"]


def test_a_page_of_nothing_can_be_written():
    text = section_of(written({})["performance.md"], "Goals that were not measured")
    assert all(f"| {target.text} |" in text for target in TARGETS)


def test_a_section_takes_the_place_of_an_earlier_one_and_leaves_the_others(tmp_path, results):
    path = tmp_path / "results.json"
    add_section(path, "crowds", [], [])
    again = json.loads(path.read_text())
    assert again["crowds"]["records"] == []
    assert again["latency"] == results["latency"]


def test_the_same_results_make_the_same_pictures(tmp_path, results):
    for folder in ("first", "second"):
        draw(results, tmp_path / folder)
    for name in ("size", "ratio", "crowds"):
        first, second = (tmp_path / folder / f"{name}.svg" for folder in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
        assert ET.parse(first).getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    ("quartiles", "shown"),
    [
        ([75e-6, 80e-6], "80 µs"),
        ([70e-6, 90e-6], "80 µs (70\N{EN DASH}90 µs)"),
        ([70e-6, 2e-3], "80 µs (70 µs\N{EN DASH}2 ms)"),
    ],
)
def test_the_page_of_lookups_shows_the_middle_half_of_the_rounds_where_it_is_wide(
    tmp_path, quartiles, shown
):
    path = tmp_path / "results.json"
    record = call("sqlite", "zoho_tokenstore", 80e-6, rows=1_000) | {"quartiles": quartiles}
    add_section(path, "latency", [record], [])
    found = written(read_results(path))
    assert f"| zoho_tokenstore | {shown} |" in found["performance/lookups.md"]
    assert "| zoho_tokenstore | 80 µs |" in found["performance/operations.md"]


@pytest.mark.parametrize(
    ("processes", "threads", "workers"),
    [(1, 1, "1 process"), (4, 1, "4 processes"), (1, 8, "8 threads")],
)
def test_the_page_about_workers_names_them(tmp_path, processes, threads, workers):
    path = tmp_path / "results.json"
    record = {"database": "sqlite", "peer": "zoho_tokenstore", "failed": 0, "wrong": 0}
    record |= {"processes": processes, "threads": threads}
    record |= {"calls_per_second": 1_000.0, "p50": 1e-3, "p99": 2e-3}
    add_section(path, "throughput", [record], [])
    line = f"| zoho_tokenstore | SQLite | {workers} | 1,000 | 1 ms | 2 ms | 0 | 0 |"
    assert line in written(read_results(path))["performance/workers.md"]


with_processors = pytest.mark.skipif(
    len(ALLOWED) < 2, reason="there is one processor, or that cannot be told"
)


@with_processors
def test_a_server_is_on_other_processors_than_what_is_measured(tmp_path, monkeypatch):
    started = []

    def start(_servers, _kind):
        shown = [sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"]
        done = subprocess.run(shown, check=True, capture_output=True, text=True)
        started.append(set(map(int, done.stdout.split())))
        raise UnavailableError

    monkeypatch.setattr(Servers, "get", start)
    with Places(tmp_path).opened() as places:
        with on_one():
            own = os.sched_getaffinity(0)
            assert places.empty("postgresql") is None
            assert os.sched_getaffinity(0) == own
        assert len(own) == 1
        assert places.empty("postgresql") is None
    assert started == [ALLOWED - own, ALLOWED]
    assert os.sched_getaffinity(0) == ALLOWED


@with_processors
def test_calls_and_loads_are_measured_on_one_processor_and_workers_on_all(tmp_path, monkeypatch):
    monkeypatch.setattr(main, "_records_of", lambda *_: [{"on": len(os.sched_getaffinity(0))}])
    monkeypatch.setattr(main.report, "pages", lambda _: {})
    output = tmp_path / "results.json"
    main.quick(output, ["latency", "load", "threads"])
    found = {name: part["records"][0]["on"] for name, part in read_results(output).items()}
    assert found == {"latency": 1, "load": 1, "threads": len(ALLOWED)}
