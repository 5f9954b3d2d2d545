"""Connection slots: a receiver's bound holds across processes, and a dead process gives its slots back."""

import fcntl
import os
import signal
import subprocess
import sys

import pytest

from hedwig.spool.owner import worker_lock
from hedwig.worker.slots import Slots

HOLDER = """
import sys, time
from hedwig.worker.slots import Slots
slots = Slots(sys.argv[1])
print([slots.take("google", "main", 3) for _ in range(2)], flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has two of three slots."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "[0, 1]\n"
        yield process
        process.kill()


def test_the_bound_holds_across_processes_and_a_dead_one_gives_back(tmp_path, holder):
    slots = Slots(str(tmp_path))
    assert slots.take("google", "main", 3) == 2
    assert slots.take("google", "main", 3) is None
    assert slots.take("google", "other source", 3) == 0
    assert slots.take("qq", "main", 3) == 0
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert {slots.take("google", "main", 3) for _ in range(2)} == {0, 1}
    assert slots.take("google", "main", 3) is None


def test_what_is_given_back_can_be_taken_again(tmp_path):
    one, two = Slots(str(tmp_path)), Slots(str(tmp_path))
    slot = one.take("google", "", 1)
    assert two.take("google", "", 1) is None
    one.give("google", "", slot)
    assert two.take("google", "", 1) == 0
    two.close()
    assert one.take("google", "", 1) == 0


def test_it_is_seen_whether_others_have_any(tmp_path):
    one, two = Slots(str(tmp_path)), Slots(str(tmp_path))
    slot = one.take("google", "", 3)
    assert two.others("google", "") and not one.others("google", "")
    assert not two.others("google", "other source") and not two.others("qq", "")
    one.give("google", "", slot)
    assert not two.others("google", "")


def test_no_name_becomes_a_path_and_many_receivers_leave_nothing_behind(tmp_path):
    """A host writes to a million domains: /run is memory."""
    slots = Slots(str(tmp_path / "run"))
    for number in range(3000):
        name = f"../../../etc/passwd{number}"
        assert slots.take(name, "..\0/", 2) == 0
        assert slots.take(name, "..\0/", 2) == 1
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["slots"]
    assert (tmp_path / "run" / "slots").stat().st_size == 0
    assert Slots(str(tmp_path / "run")).take("../../../etc/passwd7", "..\0/", 2) is None


def test_workers_share_all_of_it_and_no_more(tmp_path):
    workers = [Slots(str(tmp_path), str(number)) for number in range(1, 5)]
    locks = [worker_lock(str(tmp_path), str(number)) for number in range(1, 5)]
    for lock in locks:
        assert lock.take()
    for slots in workers:
        slots.count_workers()
    for most in (4, 5, 6, 7, 20):
        assert sum(slots.share("google", most) for slots in workers) == most
    assert [slots.share("google", 1) for slots in workers] == [1, 1, 1, 1], "whoever comes first"
    luckiest = {max(range(4), key=lambda place: workers[place].share(name, 5)) for name in map(str, range(50))}
    assert len(luckiest) == 4, "the odd one is not always the same worker's"
    for lock in locks[1:]:
        lock.give_back()
    workers[0].count_workers()
    assert workers[0].share("google", 20) == 20


def test_who_looks_is_not_taken_for_a_worker(tmp_path):
    """Two that look at the same dead worker's lock at a time."""
    lock = worker_lock(str(tmp_path), "2")
    assert lock.take()
    lock.give_back()
    with (tmp_path / "workers" / "2").open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH | fcntl.LOCK_NB)
        slots = Slots(str(tmp_path), "1")
        slots.count_workers()
    assert slots.share("google", 4) == 4


def test_who_looks_counts_all_processes_and_takes_nothing(tmp_path, holder):
    """Its own as well; what is given back is not counted, and a receiver without slots has none."""
    slots = Slots(str(tmp_path), "2")
    assert slots.in_use("google", "main") == 2
    slot = slots.take("google", "main", 3)
    assert slots.in_use("google", "main") == 3
    slots.give("google", "main", slot)
    assert slots.in_use("google", "main") == 2
    assert slots.in_use("qq", "main") == 0
    assert slots.workers() == 0
    lock = worker_lock(str(tmp_path), "1")
    assert lock.take()
    assert slots.workers() == 1


def test_who_looks_makes_no_file(tmp_path):
    assert Slots(str(tmp_path / "run")).in_use("google", "main") == 0
    assert not (tmp_path / "run").exists()


def test_what_root_makes_belongs_to_the_workers(tmp_path):
    """A probe by root's command must not shut the workers out of all slots."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 1234, 1235)
    assert Slots(str(tmp_path)).take("google", "", 1) == 0
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (tmp_path, tmp_path / "slots")}
    assert len(owners) == 1
