"""The ledger of one model's segments: what is granted, what is refused, and the messages."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator

import pytest

from pytriton_plugins.errors import ShmError
from pytriton_plugins.host.memory.ledger import Budget, Channel, InsufficientMemory, Ledger
from pytriton_plugins.host.memory.system_limits import memory_headroom
from pytriton_plugins.shm.segment import Segment
from pytriton_plugins.values import MIB, ShmPolicy


@pytest.fixture
def ledgers() -> Iterator[list[Ledger]]:
    made: list[Ledger] = []
    yield made
    for ledger in made:
        for owner in range(10):
            ledger.release(owner)


def new_ledger(ledgers: list[Ledger], segments: int = 2, **policy: int | float) -> Ledger:
    ledger = Ledger("m", ShmPolicy(**policy), segments)  # type: ignore[arg-type]
    ledgers.append(ledger)
    return ledger


def test_of_a_pair_that_does_not_fit_nothing_is_kept(ledgers: list[Ledger]) -> None:
    """Another attempt comes later, and must not find less room."""
    ledger = Ledger("m", ShmPolicy(initial=2 * MIB), 2, Budget(3 * MIB // 2))
    ledgers.append(ledger)
    with pytest.raises(ShmError):
        ledger.open_pair(1)
    assert ledger.total == 0


@pytest.mark.parametrize(("workers", "each"), [(1, 8 * MIB), (2, 4 * MIB), (3, 2793472)])
def test_the_initial_memory_is_shared_by_all_workers_and_both_directions(
    ledgers: list[Ledger], workers: int, each: int
) -> None:
    ledger = new_ledger(ledgers, 2 * workers)
    grants = [ledger.open_first(owner) for owner in range(workers) for _ in range(2)]
    assert {grant.size for grant in grants} == {each}
    assert {os.fstat(grant.descriptor).st_size for grant in grants} == {each}
    assert len({grant.number for grant in grants}) == 2 * workers
    assert each % 4096 == 0
    assert ledger.total == ledger.at_start == 2 * workers * each <= 16 * MIB


def test_a_segment_is_never_too_small_for_small_batches(ledgers: list[Ledger]) -> None:
    assert new_ledger(ledgers, 2, initial=1).open_first(1).size == 64 * 1024


@pytest.mark.parametrize(
    ("needed", "granted"),
    [(8 * MIB + 1, 16 * MIB), (16 * MIB, 16 * MIB), (16 * MIB + 1, 17 * MIB), (48 * MIB, 48 * MIB)],
)
def test_growth_doubles_or_takes_what_the_batch_needs(
    ledgers: list[Ledger], needed: int, granted: int, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = new_ledger(ledgers)
    first, other = ledger.open_first(1), ledger.open_first(1)
    with caplog.at_level(logging.INFO, "pytriton.host"):
        grant = ledger.replace(first.number, needed, 1, 0)
    assert grant.size == os.fstat(grant.descriptor).st_size == granted
    assert ledger.total == granted + other.size
    (line,) = caplog.messages
    sizes = f"16.0 MiB to {granted / MIB + 8:.1f} MiB"
    assert line == f"model m: shared memory grows from {sizes} for a batch of {needed / MIB:.1f} MiB"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(first.descriptor)


def test_growth_follows_the_policy(ledgers: list[Ledger]) -> None:
    ledger = new_ledger(ledgers, growth=1.0)
    assert ledger.replace(ledger.open_first(1).number, 8 * MIB + 1, 1, 0).size == 9 * MIB


def test_growth_stops_at_the_limit(ledgers: list[Ledger]) -> None:
    ledger = new_ledger(ledgers, max=20 * MIB)
    first, _ = ledger.open_first(1), ledger.open_first(1)
    assert ledger.replace(first.number, 11 * MIB, 1, 0).size == 12 * MIB
    assert ledger.total == 20 * MIB


def test_a_segment_of_the_same_size_replaces_one_that_the_callable_keeps(
    ledgers: list[Ledger], caplog: pytest.LogCaptureFixture
) -> None:
    ledger = new_ledger(ledgers)
    number = ledger.open_first(1).number
    with caplog.at_level(logging.INFO, "pytriton.host"):
        for _ in range(20):
            number = ledger.replace(number, 1000, 1, 0).number
    assert ledger.total == 8 * MIB
    assert caplog.messages == []


def test_past_the_limit_the_message_says_how_much_and_what_to_raise(ledgers: list[Ledger]) -> None:
    ledger = new_ledger(ledgers, max=20 * MIB)
    first, _ = ledger.open_first(1), ledger.open_first(1)
    with pytest.raises(ShmError) as refused:
        ledger.replace(first.number, 12 * MIB + 1, 1, 0)
    assert str(refused.value) == (
        "a batch needs 12.0 MiB of shared memory in one piece beside the 8.0 MiB in use, "
        "and the limit of the model is 20.0 MiB; raise --shm-max or send less at once"
    )
    assert ledger.total == 16 * MIB
    assert ledger.replace(first.number, 12 * MIB, 1, 0).size == 12 * MIB


def test_all_models_together_have_a_budget(ledgers: list[Ledger]) -> None:
    budget = Budget(40 * MIB)
    one, other = (Ledger(name, ShmPolicy(growth=4.0), 2, budget) for name in ("one", "other"))
    ledgers += [one, other]
    first, _ = one.open_first(1), one.open_first(1)
    other.open_first(2)
    assert budget.left == 16 * MIB
    with pytest.raises(InsufficientMemory) as refused:
        one.replace(first.number, 24 * MIB + 1, 1, 0)
    assert str(refused.value) == (
        "a batch needs 24.0 MiB of shared memory and 24.0 MiB of the 40.0 MiB for all models together are left; "
        "raise --shm-total or send less at once"
    )
    assert (refused.value.shortage.left, refused.value.shortage.over_limit) == (24 * MIB, False)
    assert one.replace(first.number, 17 * MIB, 1, 0).size == 24 * MIB
    with pytest.raises(ShmError) as refused_first:
        other.open_first(2)
    assert str(refused_first.value) == (
        "its first segments of 8.0 MiB each do not fit: 0.0 MiB of the 40.0 MiB for all models together are left; "
        "raise --shm-total or lower --shm-initial"
    )
    one.release(1)
    assert budget.left == 32 * MIB


def promised_but_for(size: int) -> int:
    """As much promised memory as leaves ``size`` bytes; other processes change that slightly."""
    return memory_headroom() - size


def test_past_the_headroom_the_message_says_what_is_left(ledgers: list[Ledger]) -> None:
    ledger = new_ledger(ledgers)
    first = ledger.open_first(1)
    words = (
        r"a batch needs 2000\.0 MiB of shared memory and ([\d.]+) MiB of memory are left on this machine or in this "
    )
    with pytest.raises(ShmError, match=words + "container; raise its memory limit or send less at once") as refused:
        ledger.replace(first.number, 2000 * MIB, 1, promised_but_for(1000 * MIB))
    left = re.match(words, str(refused.value))
    assert left is not None
    assert 700 < float(left[1]) < 1300
    with pytest.raises(ShmError, match=r"and 0\.0 MiB of memory are left"):
        ledger.replace(first.number, 21 * MIB, 1, promised_but_for(-1000 * MIB))
    assert ledger.total == first.size


def test_little_headroom_grants_what_is_needed_and_no_more(ledgers: list[Ledger]) -> None:
    ledger = new_ledger(ledgers, growth=200.0)
    first = ledger.open_first(1)
    assert ledger.replace(first.number, 500 * MIB, 1, promised_but_for(1000 * MIB)).size == 500 * MIB
    assert ledger.replace(ledger.open_first(1).number, 500 * MIB, 1, promised_but_for(4000 * MIB)).size > 500 * MIB


def test_only_untouched_pages_are_still_promised(ledgers: list[Ledger]) -> None:
    ledger = new_ledger(ledgers)
    first, _ = ledger.open_first(1), ledger.open_first(2)
    assert ledger.untouched == 16 * MIB
    Segment(first.number, first.descriptor, writable=True).bytes[: 3 * MIB] = 1
    assert ledger.untouched == 13 * MIB


def test_the_segments_of_a_dead_worker_are_given_back(ledgers: list[Ledger]) -> None:
    ledger = new_ledger(ledgers, 4)
    dead, alive = ledger.open_first(1), ledger.open_first(2)
    ledger.open_first(1)
    ledger.release(1)
    assert ledger.total == alive.size
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(dead.descriptor)
    os.fstat(alive.descriptor)
    ledger.release(1)


def test_a_worker_cannot_have_another_s_segment_taken_away(ledgers: list[Ledger]) -> None:
    ledger = new_ledger(ledgers, 4)
    mine, theirs = ledger.open_first(1), ledger.open_first(2)
    ledger.replace(theirs.number, 1000, 1, 0)
    os.fstat(theirs.descriptor)
    assert ledger.total == mine.size + theirs.size + 4 * MIB


def test_the_headroom_is_what_the_machine_has_at_most() -> None:
    with open("/proc/meminfo") as file:
        total = int(next(line for line in file if line.startswith("MemTotal")).split()[1]) * 1024
    assert 0 < memory_headroom() < total


def test_a_grant_that_came_too_late_is_replaced_when_its_worker_asks_again(ledgers: list[Ledger]) -> None:
    """The worker has timed out, so it names its old segment again."""
    ledger = new_ledger(ledgers)
    first = ledger.open_first(1)
    late = ledger.replace(first.number, 9 * MIB, 1, 0)
    again = ledger.replace(first.number, 9 * MIB, 1, 0)
    assert ledger.total == again.size
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(late.descriptor)
    ledger.replace(again.number, 17 * MIB, 1, 0)
    assert ledger.total == 32 * MIB


def test_a_rounded_size_stays_within_the_limit_also_when_memory_is_short(ledgers: list[Ledger]) -> None:
    ledger = new_ledger(ledgers, max=8 * MIB + 5000, initial=8 * MIB, growth=4.0)
    first = ledger.open_first(1)
    assert ledger.replace(first.number, 8 * MIB + 1, 1, promised_but_for(9 * MIB)).size <= 8 * MIB + 5000


def test_a_call_segment_lies_beside_the_others_of_its_channel(ledgers: list[Ledger]) -> None:
    ledger = new_ledger(ledgers, 2, initial=4 * MIB)
    request, response = ledger.open_pair(1)
    calls = ledger.replace(response.number, 1000, 1, 0, calls=True)
    assert (calls.size, ledger.total) == (MIB, 5 * MIB)
    larger = ledger.replace(response.number, 3 * MIB, 1, 0)
    again = ledger.replace(calls.number, MIB + 1, 1, 0, calls=True)
    assert ledger.total == request.size + larger.size + again.size
    ledger.release_channel(Channel(request.number, response.number))
    assert ledger.total == 0


def test_a_grant_for_calls_that_came_too_late_is_replaced(ledgers: list[Ledger]) -> None:
    ledger = new_ledger(ledgers, 2, initial=4 * MIB)
    _, response = ledger.open_pair(1)
    for _ in range(3):
        ledger.replace(response.number, 1000, 1, 0, calls=True)
    assert ledger.total == 5 * MIB


def test_past_the_limit_the_message_names_the_calls(ledgers: list[Ledger]) -> None:
    ledger = new_ledger(ledgers, 2, initial=2 * MIB, max=4 * MIB)
    _, response = ledger.open_pair(1)
    with pytest.raises(InsufficientMemory) as caught:
        ledger.replace(response.number, 3 * MIB, 1, 0, calls=True)
    assert str(caught.value) == (
        "calls need 3.0 MiB of shared memory in one piece beside the 2.0 MiB in use, and the limit of the model is "
        "4.0 MiB; raise --shm-max or send less at once"
    )
