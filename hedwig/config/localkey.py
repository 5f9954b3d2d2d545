"""local.key: what joins mailman and postoffice where both run on one host, so that nobody has to paste anything.

`hedwig local-key` makes it beside mailman.yml (root:hedwig 0640), YAML of the three keys that mailman.yml would have:

    fqdn: less.example.com
    postoffice: http://127.0.0.1:8025/
    key: 6mJ...

`postoffice` stands there only while a postoffice is installed here. mailman takes all three from this file when its own
mailman.yml names none of them. The key's hash lies in clients.d/FQDN.yml, like any other host's.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from hedwig.config.names import host_name
from hedwig.config.problem import Unfit
from hedwig.settings import setting

NAME = "local.key"
HEADER = (
    "# Made by `hedwig local-key`: joins this host's mailman and postoffice while mailman.yml names no other one.\n"
    "# The key is a secret; its hash lies in clients.d/FQDN.yml.\n"
)


@dataclass(frozen=True, slots=True)
class LocalKey:
    """The file. `postoffice` is "" while none is installed on this host."""

    fqdn: str = setting("This host's name.", default="", kind="host")
    postoffice: str = setting("The URL of this host's own postoffice.", default="", kind="url")
    key: str = setting("The key.", default="", kind="secret", secret=True)

    def __str__(self) -> str:
        """The file's text. It holds the secret."""
        lines = [f"fqdn: {self.fqdn}"]
        if self.postoffice:
            lines.append(f"postoffice: {self.postoffice}")
        return HEADER + "\n".join([*lines, f"key: {json.dumps(self.key)}"]) + "\n"


def path_beside(config_file: Path) -> Path:
    """Where the local key of this mailman.yml lies."""
    return config_file.parent / NAME


def this_host() -> str:
    """This host's name, as far as it is known without a question to DNS; "localhost" where it is no host name."""
    import socket

    try:
        return host_name(socket.gethostname())
    except Unfit:
        return "localhost"


def stamp(path: Path) -> tuple[int, int, int] | None:
    """Another one after every change of the file; None while there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
