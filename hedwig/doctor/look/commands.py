"""Programs of the system that know something: systemctl, timedatectl."""

import asyncio
import contextlib
from pathlib import Path

WAIT = 5.0  # seconds
_SYSTEMD = Path("/run/systemd/system")


def runs_systemd() -> bool:
    """Whether there is a systemd to ask (sd_booted(3))."""
    return _SYSTEMD.is_dir()


async def said_by(*command: str) -> str | None:
    """Its standard output; None where it is missing, fails or takes too long."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(WAIT):
            told, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    return told.decode("utf-8", "replace") if process.returncode == 0 else None
