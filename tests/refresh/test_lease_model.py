"""The lease protocol, checked in every order of events: three workers, crashes, delays, late saves.

The model takes its decisions with the store's own functions (``refresh.lease``); around them it has
what the database and Zoho do. Each worker's steps are those of ``RefreshCoordinator`` and of
``SQLAlchemyTokenStore._save_claimed``: read the row, read the lease, write it by compare and set,
look at the row again, ask Zoho, save and settle in one transaction. Between any two of them any
other worker may do any number of its own, the clock may run past the end of a lease, and a worker
may die.
"""

from dataclasses import dataclass, field, replace

import pytest

from zoho_tokenstore.policy import RefreshPolicy
from zoho_tokenstore.refresh import lease as protocol
from zoho_tokenstore.refresh.lease import Bid, Failure, Granted, Lease, Refused

POLICY = RefreshPolicy(lease=1, http_timeout=0.5, early=0, budget=100)
LEASE = 1000
LATEST = 2 * LEASE
"""How far the clock may run, in milliseconds: two leases may end."""

LOOK, CLAIM, WRITE, LOOK_AGAIN, ASK, SAVE, FAIL, DONE, DEAD = (
    *("look", "claim", "write", "look again", "ask", "save", "fail", "done", "dead"),
)
ENDED = (DONE, DEAD)
HOLDING = (LOOK_AGAIN, ASK, SAVE, FAIL)


@dataclass(frozen=True)
class Worker:
    """One worker: what it does next, and what it knows.

    Attributes:
        read: The lease as it was read, before the write.
        owner: The name of its claim.
        until: When its lease ends.
        got: The generation of the access token that Zoho has issued to it.
    """

    does: str = LOOK
    read: Lease | None = None
    owner: str = ""
    until: int = 0
    got: int = 0


@dataclass(frozen=True)
class World:
    """The database, Zoho, the clock, and the workers.

    Attributes:
        row: The generation of the stored access token; 0 has expired, all others are valid.
        issued: How many Zoho has issued.
        ended: How many leases have ended by themselves.
    """

    lease: Lease = field(default_factory=Lease)
    row: int = 0
    now: int = 0
    issued: int = 0
    ended: int = 0
    workers: tuple[Worker, ...] = field(default=(Worker(),) * 3)


def canonical(world):
    """Return the world in the form that it shares with all that differ in names and order only."""
    behind = world.lease.version - 1
    owners = {world.lease.owner: "latest"}
    lease = world.lease._replace(version=1, owner="latest", starts=(), retry_at=0)
    workers = []
    for worker in world.workers:
        read = worker.read
        if read is not None:
            fresh = read.version - behind == 2
            read = read._replace(version=2 if fresh else 0, starts=(), retry_at=0, owner="mine")
        owner = owners.get(worker.owner, "late") if worker.owner and read is None else ""
        workers.append(replace(worker, read=read, owner=owner))
    ordered = tuple(sorted(workers, key=repr))
    return replace(world, lease=lease, workers=ordered) if world.lease.version else world


def steps(world, *, crashes, failures):
    """Yield every world that can come next."""
    if world.now < LATEST:
        later = world.now + LEASE
        ends = world.lease.is_held(world.now) and not world.lease.is_held(later)
        yield replace(world, now=later, ended=world.ended + ends)
    for index, worker in enumerate(world.workers):
        if worker.does not in ENDED:
            for changes, after in moves(world, worker, failures=failures):
                yield replace(world, workers=with_worker(world, index, after), **changes)
            if crashes:
                yield replace(world, workers=with_worker(world, index, Worker(DEAD)))


def with_worker(world, index, worker):
    return (*world.workers[:index], worker, *world.workers[index + 1 :])


def moves(world, worker, *, failures):
    """Yield what a worker may do now: the changes of the world, and the worker afterwards."""
    if worker.does == LOOK:
        yield from look(world, worker)
    elif worker.does == CLAIM:
        yield from claim(world, worker)
    elif worker.does == WRITE:
        yield from write(world, worker)
    elif worker.does == LOOK_AGAIN:
        if world.row:
            yield end_claim(world, protocol.withdraw_lease(world.lease, worker.owner), worker)
        else:
            yield {}, replace(worker, does=ASK)
    elif worker.does == ASK:
        yield {"issued": world.issued + 1}, replace(worker, does=SAVE, got=world.issued + 1)
        if failures:
            yield {}, replace(worker, does=FAIL)
    elif worker.does == SAVE:
        yield from save(world, worker)
    elif worker.does == FAIL:
        failed = protocol.fail_lease(
            world.lease, world.now, owner=worker.owner, failure=Failure("Timeout"), policy=POLICY
        )
        yield end_claim(world, failed, worker)


def look(world, worker):
    yield {}, replace(worker, does=DONE if world.row else CLAIM)


def claim(world, worker):
    decision = protocol.claim_lease(world.lease, world.now, Bid("mine", "r", early=False), POLICY)
    assert not isinstance(decision, Refused)
    if isinstance(decision, Granted):
        yield {}, replace(worker, does=WRITE, read=decision.lease, owner="mine")
    else:
        yield {}, replace(worker, does=LOOK)


def write(world, worker):
    if worker.read.version != world.lease.version + 1:
        yield {}, replace(worker, does=LOOK, read=None, owner="")  # another worker was faster
        return
    yield grant(world, worker)


def grant(world, worker):
    """Store the lease of a worker's claim, under a name that no other claim has."""
    owner = f"claim {world.now}.{world.issued}.{world.lease.version}"
    lease = worker.read._replace(owner=owner)
    after = replace(worker, does=LOOK_AGAIN, read=None, owner=owner, until=lease.until)
    over = not lease.is_held(world.now)  # its worker stopped between reading and writing
    return {"lease": lease, "ended": world.ended + over}, after


def save(world, worker):
    if protocol.is_late(world.lease, worker.owner):
        yield {}, replace(worker, does=DONE)
        return
    changes, after = end_claim(world, protocol.settle_lease(world.lease, worker.owner), worker)
    yield changes | {"row": worker.got}, after


def end_claim(world, lease, worker):
    return {"lease": lease or world.lease}, replace(worker, does=DONE, until=0)


def reachable(*, crashes, failures):
    """Return every world that can be reached, with those before it (but for crashes)."""
    start = World()
    before, todo = {start: set()}, [start]
    while todo:
        world = todo.pop()
        for step in steps(world, crashes=crashes, failures=failures):
            check_step(world, step)
            after = canonical(step)
            if after not in before:
                before[after] = set()
                todo.append(after)
            if deaths(after) == deaths(world):
                before[after].add(world)
    return before


def deaths(world):
    return sum(worker.does == DEAD for worker in world.workers)


def from_which_all_can_end(before):
    """Return the worlds from which, if no worker dies any more, every worker comes to an end."""
    ends = [world for world in before if all(worker.does in ENDED for worker in world.workers)]
    found, todo = set(ends), ends
    while todo:
        for world in before[todo.pop()] - found:
            found.add(world)
            todo.append(world)
    return found


def check_step(before, after):
    """What no single step may do."""
    assert after.row >= before.row, "a late save leaves what is newer"
    valid = [w for w in after.workers if w.does in HOLDING and w.until > after.now]
    assert len(valid) <= 1, "two valid leases"


@pytest.mark.parametrize("failures", [False, True])
@pytest.mark.parametrize("crashes", [False, True])
def test_no_two_leases_are_valid_at_once_and_every_worker_ends(crashes, failures):
    seen = reachable(crashes=crashes, failures=failures)
    assert len(seen) > 100
    stuck = seen.keys() - from_which_all_can_end(seen)
    assert not [world for world in stuck if world.now < LATEST], "the clock can run on"


def test_zoho_is_asked_once_and_once_more_for_each_lease_that_ended_by_itself():
    seen = reachable(crashes=True, failures=False)
    assert max(world.issued for world in seen) > 1
    for world in seen:
        assert world.issued <= 1 + world.ended, world


def granting_always(world, worker):
    yield grant(world, worker)


def never_looking_again(world, worker, *, failures):
    if worker.does == LOOK_AGAIN:
        return iter([({}, replace(worker, does=ASK))])
    return MOVES(world, worker, failures=failures)


MOVES = moves


@pytest.mark.parametrize(
    ("name", "broken"),
    [("write", granting_always), ("moves", never_looking_again)],
    ids=["without compare and set", "without looking again"],
)
def test_the_model_notices_a_protocol_that_is_broken(monkeypatch, name, broken):
    monkeypatch.setitem(globals(), name, broken)
    with pytest.raises(AssertionError):
        test_zoho_is_asked_once_and_once_more_for_each_lease_that_ended_by_itself()
