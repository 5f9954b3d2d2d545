"""Whether `ca_file` will serve its daemon: it is there, the daemon's user may read it, and it holds certificates.

mailman itself finds out only when it connects, and then spools until somebody reads its log; a worker trusts nobody
without them. Root's own eyes are no
test: root reads everything. So the question "may it be read?" is put by a child process that has become that user,
which counts access lists and the folders above too. Where this command is not root's, or there is no such user, it asks
for itself. As with OpenSSL, a folder of certificates under their hashes (openssl-rehash(1ssl)) will do.
"""

import os
import pwd
import re
import ssl
import subprocess
from pathlib import Path

from hedwig.config import Unfit

USER = "hedwig"
# The units' ProtectHome= and PrivateTmp= hide these from the daemons, whatever the files' modes.
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 -- compared, never written to
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")


def look_at(path: Path, user: str = USER) -> None:
    """Raise Unfit where the daemon, running as `user`, could not use these certificates."""
    try:
        folder = path.stat() and path.is_dir()
    except OSError as error:
        raise Unfit(f"{path}: {error.strerror}", "put the file there, or correct the line") from None
    if not _may_read(path, user):
        raise Unfit(
            f"the user {_asker(user)} can't read {path}", f"chgrp {USER} {path} && chmod 640 {path}, folders too"
        )
    if folder:
        if not any(_HASHED.fullmatch(name) for name in os.listdir(path)):  # noqa: PTH208 -- names alone
            raise Unfit(f"{path} is a folder without hashed certificates", f"`openssl rehash {path}`, or name a file")
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(path)
    except ssl.SSLError:
        right = "PEM is wanted: -----BEGIN CERTIFICATE----- and so on (`openssl x509 -inform der` turns DER into it)"
        raise Unfit(f"{path} holds no certificate that can be read", right) from None
    except OSError as error:
        raise Unfit(f"{path}: {error.strerror}") from None


def hidden(path: Path, daemon: str) -> str:
    """A warning where the unit hides the file from its daemon, `mailman` or `worker`; else ""."""
    where = next((place for place in _HIDDEN if path.is_relative_to(place)), "")
    unit = f"hedwig-{daemon}{'@' if daemon == 'worker' else ''}.service"
    return f"{unit} can't see into {where}: put {path.name} into /etc/hedwig" if where else ""


def _may_read(path: Path, user: str) -> bool:
    account = _account(user)
    if account is None:
        return os.access(path, os.R_OK)
    groups = os.getgrouplist(account.pw_name, account.pw_gid)
    return all(
        subprocess.run(
            ["test", wish, str(path)],
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=groups,
            cwd="/",
            timeout=20,
            check=False,
        ).returncode
        == 0
        for wish in (("-r", "-x") if path.is_dir() else ("-r",))
    )


def _account(user: str) -> pwd.struct_passwd | None:
    """Whom to become for the question; None: ask as who we are."""
    try:
        return pwd.getpwnam(user) if os.geteuid() == 0 else None
    except KeyError:
        return None


def _asker(user: str) -> str:
    return user if _account(user) else pwd.getpwuid(os.geteuid()).pw_name
