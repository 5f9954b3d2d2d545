"""The kernel's limits on this process."""

import resource


def raise_open_files() -> int:
    """As many open files as the hard limit allows; returns how many that is. The soft one, 1,024 by default, is for
    programs that use select(2)."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
