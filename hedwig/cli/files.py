"""Files that the operator's command writes: replaced at one stroke, closed to others, errors told in a sentence."""

import contextlib
import fcntl
import grp
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from hedwig.cli.terminal import clean
from hedwig.cli.yamltext import Misshapen

MODE = 0o640


@contextlib.contextmanager
def changing(directory: Path) -> Iterator[None]:
    """Around a change of files in `directory`, which is made if need be: one at a time; errors become sentences."""
    try:
        if not directory.is_dir():
            directory.mkdir(mode=0o750, exist_ok=True)
            give(directory, 0o750)
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
            os.fsync(handle)
        finally:
            os.close(handle)
    except Misshapen as error:
        raise click.ClickException(f"{error}\nNothing was changed.") from None
    except OSError as error:
        raise trouble("write", directory, error) from None


def replace(file: Path, text: str, *, kept: bool = False, secret: bool = False) -> None:
    """Put `text` in the file's place at one stroke: a reader sees the old or the new, a crash leaves either.

    It is root's and group hedwig's, 0640; with `kept`, owner and mode stay what they were, but others get nothing;
    a `secret` is root's alone, 0600. OSError.
    """
    target = file.resolve()
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=target.parent)
    new = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as output:
            output.write(text)
            output.flush()
            if kept and target.exists():
                _as(new, target.stat())
            elif not secret:  # mkstemp makes a file 0600, and ours
                give(new, MODE)
            os.fsync(output.fileno())
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _as(path: Path, status: os.stat_result) -> None:
    if os.geteuid() == 0:
        os.chown(path, status.st_uid, status.st_gid)
    path.chmod(stat.S_IMODE(status.st_mode) & 0o770)


def give(path: Path, mode: int) -> None:
    """Owner root, group hedwig, where both are possible; else whoever runs this."""
    if os.geteuid() == 0:
        with contextlib.suppress(KeyError):  # no such group: hedwig runs here as some other user
            os.chown(path, 0, grp.getgrnam("hedwig").gr_gid)
    path.chmod(mode)


def trouble(verb: str, path: Path, error: OSError) -> click.ClickException:
    """The error as a sentence, with the usual mend."""
    hint = ": run it as root" if isinstance(error, PermissionError) else ""
    return click.ClickException(f"can't {verb} {clean(str(path))}: {error.strerror}{hint}")
