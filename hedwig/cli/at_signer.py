"""Commands about DKIM keys, on the host that signs: the libraries that they need come with hedwig-postoffice, and the
daemons take new keys at a reload.
"""

from pathlib import Path
from typing import Any

from hedwig.cli import reloading
from hedwig.cli.lazy import installed


def module(name: str) -> Any:
    """The module that does it; ClickException on a host without postoffice."""
    return installed(name, "hedwig-postoffice is not installed here ({}); letters are signed where it runs")


def reload(config_dir: Path) -> None:
    """Have running daemons take the keys."""
    reloading.reload(config_dir, "hedwig-postoffice", "hedwig-worker@*")
