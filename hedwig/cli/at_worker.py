"""Commands that need what workers are made of. Every host that has `hedwig` has them; their libraries come with
hedwig-worker, to the hosts that deliver.
"""

from pathlib import Path
from typing import Any

import click

from hedwig.cli.language import told
from hedwig.cli.lazy import installed
from hedwig.cli.terminal import clean


def module(config_dir: Path, name: str) -> Any:
    """The module that does it; ClickException on a host that does not deliver."""
    if not (config_dir / "worker.yml").exists():
        raise click.ClickException(
            told(
                f"{clean(str(config_dir))}: there is no worker.yml here; ask on the host that delivers",
                f"{clean(str(config_dir))}：这里没有 worker.yml；请在投递主机上运行",
            )
        )
    return installed(
        name,
        told(
            "hedwig-worker is not installed here (there is no {}); ask on the host that delivers",
            "本机没有安装 hedwig-worker（缺 {}）；请在投递主机上运行",
        ),
    )
