"""Postfix as a relay, with configuration, queue and log of its own: the host's own Postfix is never touched.

`postfix -c FOLDER start-fg` in the network namespace of the bench, and in a mount namespace where /etc/resolv.conf
names the bench's resolver. It needs root: its processes run as the user `postfix`. What would only slow it down here is
off: it asks for no client's name, and the relay is named by its address. Its log daemon, postlogd, is one of its
processes.
"""

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import time
from pathlib import Path

from journey.network import tool
from journey.process import Process
from usage import descendants

TUNED = {
    "default_destination_concurrency_limit": "100",
    "initial_destination_concurrency": "100",
    "in_flow_delay": "0",
    "qmgr_message_active_limit": "50000",
}
_MAIN = {
    "compatibility_level": "3.6",
    "myhostname": "postfix.bench.example",
    "mydestination": "",
    "local_recipient_maps": "",
    "alias_maps": "",
    "alias_database": "",
    "mynetworks": "127.0.0.0/8 172.17.0.0/16 192.0.2.0/24",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "smtpd_peername_lookup": "no",
    "inet_protocols": "ipv4",
    "biff": "no",
    "maillog_file_prefixes": "/var, /tmp, /dev/shm",
}
_SERVICES = """
{address}:25 inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """One instance, listening at `address`. `relay`: where all mail goes; "": to its domains' MX. `settings` are added
    to main.cf."""

    def __init__(self, folder: Path, address: str, resolver: str, settings: dict[str, str], relay: str = "") -> None:
        self.address = address
        config, queue, state = (folder / name for name in ("etc", "queue", "data"))
        for one in (folder, config, queue, state):
            one.mkdir(exist_ok=True)
            one.chmod(0o755)
        user = pwd.getpwnam("postfix")
        os.chown(state, user.pw_uid, user.pw_gid)
        own = {"queue_directory": str(queue), "data_directory": str(state), "maillog_file": str(folder / "mail.log")}
        self._config, self._settings, self._relay = config, _MAIN | own | settings, relay
        self._write()
        (config / "master.cf").write_text(_SERVICES.format(address=address).lstrip())
        resolv = folder / "resolv.conf"
        resolv.write_text(f"nameserver {resolver}\n")
        script = f"mount --bind {resolv} /etc/resolv.conf && exec {tool('postfix')} -c {config} start-fg"
        # As PID 1 of a namespace its master ends with us, whatever happens, and all its processes with it.
        command = [tool("unshare"), "--mount", "--pid", "--fork", "--kill-child", "--", "/bin/sh", "-c", script]
        self._process = Process(f"postfix at {address}", command, folder / "start.log")
        self.log = folder / "mail.log"

    def _write(self) -> None:
        settings = self._settings | ({"relayhost": f"[{self._relay}]"} if self._relay else {})
        lines = (f"{name} = {value}\n" for name, value in settings.items())
        (self._config / "main.cf").write_text("".join(lines))

    def relay_to(self, relay: str) -> None:
        """From now on; where that changes something it is started anew."""
        if relay != self._relay:
            self._relay = relay
            self._write()
            self.close()
            self.start()

    def also(self, settings: dict[str, str]) -> None:
        """With these too, from now on."""
        self._settings |= settings
        self._write()
        self.close()
        self.start()

    def flush(self) -> None:
        """Have it try at once all that it has put off: postqueue(1)."""
        subprocess.run([tool("postqueue"), "-c", str(self._config), "-f"], check=True)

    def start(self) -> float:
        """Start it, until it greets; how many seconds that took."""
        began = time.monotonic()
        self._process.start(lambda: greets(self.address))
        return time.monotonic() - began

    @property
    def pids(self) -> list[int]:
        """The process that all others come from."""
        return [self._process.pid]

    def close(self) -> None:
        """SIGTERM to its master, which ends the others; for unshare, which waits for it, that signal is none."""
        if self._process.alive:
            # There is no master where Ctrl-C has ended it already: that goes to all processes of the terminal.
            for master in list(descendants(self.pids))[1:2]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(master, signal.SIGTERM)
            try:
                self._process.wait()
            except subprocess.TimeoutExpired:
                self._process.kill()  # and, by --kill-child, all that is in its namespace


def greets(address: str) -> bool:
    """Whether an SMTP server at port 25 says 220."""
    with socket.socket() as client:
        client.settimeout(5)
        try:
            client.connect((address, 25))
            return client.recv(4) == b"220 "
        except OSError:
            return False
