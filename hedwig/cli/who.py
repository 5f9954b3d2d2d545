"""Who gives an order.

The name is that of the person, not of root: SUDO_USER where sudo set it, else the user of the login session (which
`su` and a root shell keep, in /proc/self/loginuid), else the process's user. It is told to history and journal alone;
nothing is allowed or forbidden by it.
"""

import os
import pwd
from pathlib import Path

_UNSET = 0xFFFFFFFF  # no login session
_MOST = 64  # characters


def who() -> str:
    """A name: "jia", or "uid 1234" where the system has none."""
    name = os.environ.get("SUDO_USER", "")
    if name and name.isprintable() and name != "root":
        return name[:_MOST]
    return _name(_login_uid())


def _login_uid() -> int:
    try:
        uid = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):  # no audit in this kernel, or a container
        return os.getuid()
    return os.getuid() if uid == _UNSET else uid


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
