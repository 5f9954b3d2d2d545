"""Commands about DKIM keys, on the host that signs: the libraries that they need come with hedwig-postoffice, and the
daemons take new keys at a reload.
"""

from pathlib import Path
from typing import Any

from hedwig.cli import reloading
from hedwig.cli.language import told
from hedwig.cli.lazy import installed


def module(name: str) -> Any:
    """The module that does it; ClickException on a host without postoffice."""
    return installed(
        name,
        told(
            "hedwig-postoffice is not installed here (there is no {}); letters are signed where it runs",
            "本机没有安装 hedwig-postoffice（缺 {}）；信在装有它的主机上签名",
        ),
    )


def reload(config_dir: Path) -> bool:
    """Have running daemons take the keys; False where the admin must."""
    return reloading.reload(config_dir, "hedwig-postoffice", "hedwig-worker@*")
