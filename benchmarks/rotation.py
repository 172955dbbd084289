"""Rotate the key of a large table while others work: ``python benchmarks/rotation.py``.

Arguments are the number of rows, a million, and a URL, an SQLite file. The table is filled with
tokens under an old key. Eight processes find and save their own users, half of them with the new
key first, while ``zoho-tokenstore keys rotate`` runs. Printed are its counts, its time, and its
memory in the beginning and at the peak.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.token import TokenRecord

WORKERS, USERS, BATCH = 8, 20, 10_000
OLD, NEW = "old:" + "A" * 43, "new:" + "B" * 42 + "A"


def fill(url: str, rows: int) -> None:
    """Store so many tokens under the old key."""
    with SQLAlchemyTokenStore(url, keyring=Keyring.from_text(OLD)) as store:
        store.get_tokens()
        vault, table = store._tokens.vault, store._schema.table  # noqa: SLF001 - filled directly
        for start in range(0, rows, BATCH):
            now = datetime.now(UTC)
            times = {"created_at": now, "updated_at": now}
            records = [record(number) for number in range(start, min(start + BATCH, rows))]
            values = [vault.values(row, vault.digest) | times for row in records]
            statement = insert(table)
            store._database.write(lambda s: s.execute(statement, values))  # noqa: SLF001, B023 - at once


def record(number: int) -> TokenRecord:
    """Return one user's token."""
    return TokenRecord(
        id=f"{number:032x}",
        user_name=f"user{number}@example.com:60001234567",
        client_id="1000.CLIENT0000000000000000000000000",
        client_secret="0123456789abcdef0123456789abcdef0123456789",
        refresh_token=f"1000.{number:032x}.{number:032x}",
        access_token=f"1000.{number + 1:032x}.{number:032x}",
        expiry=4102444800000,  # in the year 2100
    )


def work(url: str, number: int, end: Path, results: Any) -> None:
    """Find and save some users' tokens until the end; report how often, and what was wrong."""
    keys = f"{NEW},{OLD}" if number % 2 else f"{OLD},{NEW}"
    last: dict[int, str] = {}
    calls, wrong = 0, 0
    with SQLAlchemyTokenStore(url, keyring=Keyring.from_text(keys)) as store:
        while not end.exists():
            for user in range(number * USERS, (number + 1) * USERS):
                known = record(user)
                token = store.find_token(OAuthToken(user_signature=UserSignature(known.user_name)))
                expected = last.get(user, known.access_token)
                wrong += token.get_access_token() != expected
                wrong += token.get_refresh_token() != known.refresh_token
                last[user] = f"{number}.{calls}"
                token.set_access_token(last[user])
                store.save_token(token)
                calls += 1
    results.put((calls, wrong))


def memory_of(process: "subprocess.Popen[bytes]") -> int:
    """Return the resident memory of a process in MiB, 0 when it has ended."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0
    lines = [line.split() for line in status.splitlines() if line.startswith("VmRSS")]
    return int(lines[0][1]) // 1024 if lines else 0


def rotate(url: str, beginning: float) -> None:
    """Run the command and print what it did, took and needed."""
    command = [sys.executable, "-m", "zoho_tokenstore", "keys", "rotate", "--json", "--url", url]
    began, early, peak = time.monotonic(), 0, 0
    with subprocess.Popen(
        command,
        env=os.environ | {"ZOHO_TOKENSTORE_KEYS": f"{NEW},{OLD}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None:
            memory = memory_of(process)
            if time.monotonic() - began < beginning:
                early = max(early, memory)
            peak = max(peak, memory)
            time.sleep(0.2)
        output = process.communicate()[0]
    counts = json.loads(output)
    seconds = time.monotonic() - began
    print(f"rotate: {counts}, exit {process.returncode}, {seconds:.0f} s")
    print(f"memory: {early} MiB in the first {beginning:.0f} s, {peak} MiB at the peak")


def main() -> None:
    """Fill, work and rotate."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[2] if len(sys.argv) > 2 else f"sqlite:///{folder}/tokens.db"  # noqa: PLR2004
        fill(url, rows)
        print(f"{rows} rows, {WORKERS} workers")
        end = Path(folder) / "end"
        context = multiprocessing.get_context("spawn")
        results = context.Queue()
        workers = [
            context.Process(target=work, args=(url, number, end, results))
            for number in range(WORKERS)
        ]
        for worker in workers:
            worker.start()
        time.sleep(5)  # until they are at work
        rotate(url, rows / 20_000)
        end.touch()
        done = [results.get(timeout=60) for _ in workers]
        for worker in workers:
            worker.join()
        calls, wrong = (sum(column) for column in zip(*done, strict=True))
        print(f"workers: {calls} times found and saved, {wrong} wrong")


if __name__ == "__main__":
    main()
