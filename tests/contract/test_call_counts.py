"""What a lookup costs in calls of functions, which no other load on the machine changes."""

import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from sqlalchemy import Engine

import zoho_tokenstore
from sdks import DISTRIBUTION
from support import login, make_token
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore

RECORDED = {"readable": 127, "encrypted": 133}
"""Calls of a lookup that finds its token on SQLite: Python's functions, and C's."""

PACKAGE = Path(zoho_tokenstore.__file__).parent
CONTRACT = ("sdk", "refresh")
"""The folders of the contract with the SDK, and of refreshes."""

HERE = (sys.version_info[:2], version("SQLAlchemy")[:4], DISTRIBUTION)
RECORDED_WITH = ((3, 11), "2.1.", "zohocrmsdk8-0")

pytestmark = pytest.mark.skipif(
    HERE != RECORDED_WITH, reason=f"the calls were counted with {RECORDED_WITH}, this is {HERE}"
)


def calls_of(work):
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("kind", RECORDED)
def test_a_lookup_makes_as_many_calls_as_recorded(sqlite_url, kind, monkeypatch):
    # A listener that another test has removed again leaves SQLAlchemy on its longer way.
    monkeypatch.setattr(Engine, "_has_events", False)
    keyring = Keyring.from_text(Keyring.generate_key()) if kind == "encrypted" else None
    with SQLAlchemyTokenStore(sqlite_url, keyring=keyring) as store:
        store.save_token(login("alice"))
        store.find_token(make_token("alice"))  # the first one compiles the statement
        token = make_token("alice")
        calls = calls_of(lambda: store.find_token(token))
    assert token.get_refresh_token() is not None
    assert calls == pytest.approx(RECORDED[kind], rel=0.1)


def test_a_warm_lookup_passes_few_functions_of_the_contract_and_none_of_a_refresh(sqlite_url):
    passed = []

    def note(frame, event, _argument):
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE) and path.parent.name in CONTRACT:
            passed.append(f"{path.parent.name}/{path.stem}.{frame.f_code.co_name}")

    with SQLAlchemyTokenStore(sqlite_url) as store:
        store.save_token(login("alice", expiry="99999999999999"))
        store.find_token(make_token("alice"))
        token = make_token("alice")
        before = sys.getprofile()
        sys.setprofile(note)
        try:
            store.find_token(token)
        finally:
            sys.setprofile(before)
    assert passed == [
        "sdk/token_store.call",
        "sdk/token_store.find_token",
        "sdk/binding.read_token",
        "sdk/callers.notice",
        "refresh/coordinator.is_due",
        "sdk/completion.completion",
        "sdk/completion.<dictcomp>",
        "sdk/binding.fill_token",
    ]
