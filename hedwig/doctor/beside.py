"""Many looks at once, each with a deadline: whatever hangs, the others come, and the whole takes no longer than the
slowest deadline.

What blocks (files, systemd's answers, pyspf) goes into threads that the process doesn't wait for at its end.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hedwig.doctor.finding import Check, Finding, same

Found = TypeVar("Found")
PATIENCE = 8.0  # seconds


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked at, and how. `check`: of which it is said that it took too long."""

    check: Check
    work: Callable[[], Awaitable[Sequence[Finding]]]
    seconds: float = PATIENCE


async def together(looks: Iterable[Look]) -> list[Finding]:
    """All findings, in the order of the looks."""
    found = await asyncio.gather(*(_one(look) for look in looks))
    return [finding for findings in found for finding in findings]


async def _one(look: Look) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(look.seconds):
            return await look.work()
    except TimeoutError:
        return [look.check.late(look.seconds)]
    except OSError as error:
        return [look.check.warn(same(str(error)))]


async def in_thread(work: Callable[[], Found]) -> Found:
    """What `work` returns or raises. Cancelled, the thread goes on, and its answer is thrown away."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Found] = loop.create_future()

    def give(value: Found) -> None:
        if not answer.done():
            answer.set_result(value)

    def fail(error: Exception) -> None:
        if not answer.done():
            answer.set_exception(error)

    def run() -> None:
        try:
            value = work()
        except Exception as error:  # noqa: BLE001 -- raised anew where it is awaited
            _tell(loop, fail, error)
        else:
            _tell(loop, give, value)

    threading.Thread(target=run, daemon=True).start()
    return await answer


def _tell(loop: asyncio.AbstractEventLoop, how: Callable[[Any], None], what: object) -> None:
    with contextlib.suppress(RuntimeError):  # nobody waits any more: the loop is closed
        loop.call_soon_threadsafe(how, what)
