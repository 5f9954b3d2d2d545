"""Connection slots: a receiver's bound holds across processes, and a dead process gives its slots back."""

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


def test_no_name_becomes_a_path(tmp_path):
    slots = Slots(str(tmp_path / "run"))
    assert slots.take("../../../etc/passwd", "..\0/", 2) == 0
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["sites"]
    [folder] = (tmp_path / "run" / "sites").iterdir()
    assert len(folder.name) == 32 and folder.name.isalnum()


def test_workers_share_fairly(tmp_path):
    slots = Slots(str(tmp_path))
    locks = [worker_lock(str(tmp_path), str(number)) for number in range(1, 5)]
    for lock in locks:
        assert lock.take()
    slots.count_workers()
    assert [slots.fair(most) for most in (1, 4, 5, 20)] == [1, 1, 2, 5]
    for lock in locks[1:]:
        lock.give_back()
    slots.count_workers()
    assert slots.fair(20) == 20


def test_who_looks_counts_all_processes_and_takes_nothing(tmp_path, holder):
    """Its own as well; what is given back is not counted, and a receiver without slots has none."""
    slots = Slots(str(tmp_path))
    assert slots.in_use("google", "main") == 2
    slot = slots.take("google", "main", 3)
    assert slots.in_use("google", "main") == 3
    slots.give("google", "main", slot)
    assert slots.in_use("google", "main") == 2
    assert slots.in_use("qq", "main") == 0
    assert len(list((tmp_path / "sites").iterdir())) == 1
    assert slots.workers() == 0
    lock = worker_lock(str(tmp_path), "1")
    assert lock.take()
    assert slots.workers() == 1


def test_what_root_makes_belongs_to_the_workers(tmp_path):
    """A probe by root's command must not shut the workers out of a receiver's slots."""
    if os.geteuid() == 0:
        (tmp_path / "sites").mkdir()
        os.chown(tmp_path / "sites", 1234, 1235)
    slots = Slots(str(tmp_path))
    assert slots.take("google", "", 1) == 0
    [folder] = (tmp_path / "sites").iterdir()
    [file] = folder.iterdir()
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (tmp_path / "sites", folder, file)}
    assert len(owners) == 1
