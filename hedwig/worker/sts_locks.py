"""Who fetches a domain's MTA-STS policy: one worker of the host at a time.

A byte of a lock file is each domain's, by its hash. Who has it locked fetches; the others wait, and find the policy in
the spool. The kernel gives back what a dead worker held.
"""

import asyncio
import fcntl
import os
from hashlib import blake2b
from pathlib import Path

POLL = 0.5  # seconds


class Locks:
    """Of one worker. OSError where `run_dir` can't be used. Within a process nobody is kept out."""

    def __init__(self, run_dir: str) -> None:
        self._file = os.open(Path(run_dir) / "mta-sts.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)

    async def take(self, domain: str) -> None:
        """Wait until it is ours."""
        while not self._try(domain):  # noqa: ASYNC110  no event comes from another process
            await asyncio.sleep(POLL)

    def _try(self, domain: str) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(domain))
        except OSError:
            return False
        return True

    def give(self, domain: str) -> None:
        """Give it back."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _place(domain))

    def close(self) -> None:
        """Give all back."""
        os.close(self._file)


def _place(domain: str) -> int:
    return int.from_bytes(blake2b(domain.encode(), digest_size=7).digest(), "big")
