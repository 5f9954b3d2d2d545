"""For autopkgtest: a booted machine as its testbed. `autopkgtest ... -- /usr/bin/python3 testbed.py COMMAND...`

COMMAND is what a command within the machine is to be preceded by. The rest of the conversation with autopkgtest is in
its own library, which calls these hooks of the main module by their names (/usr/share/autopkgtest/lib/VirtSubproc.py).
"""

import importlib
import sys

sys.path.insert(0, "/usr/share/autopkgtest/lib")
_conversation = importlib.import_module("VirtSubproc")


def hook_open() -> None:
    """The machine is there already."""
    _conversation.auxverb = sys.argv[1:]


def hook_downtmp(path: str | None) -> str:
    """A folder in the machine."""
    return str(_conversation.downtmp_mktemp(path))


def hook_cleanup() -> None:
    """The folder goes; the machine stays, for the test that has booted it."""
    _conversation.downtmp_remove()


def hook_capabilities() -> list[str]:
    """Its init, its network and its users are its own."""
    return ["root-on-testbed", "isolation-container"]


if __name__ == "__main__":
    _conversation.main()
