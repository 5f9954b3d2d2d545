"""A host for `hedwig open`: a postoffice.yml, and a real nginx with a configuration of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from click.testing import CliRunner

from hedwig.cli.hedwig import main

BIN = Path(sys.executable).parent
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
NGINX_CONF = """\
daemon off; pid {run}/nginx.pid; error_log {run}/error.log; {user}
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {run}/body; proxy_temp_path {run}/proxy; fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi; scgi_temp_path {run}/scgi;
    include {conf}/sites-enabled/*;
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.02)
    return found


class Place:
    """A host: a postoffice.yml, and an nginx of its own that runs as www-data where the test is root."""

    def __init__(self, tmp_path):
        # nginx's workers are another user: pytest's own directories are closed to them.
        self.run = Path(tempfile.mkdtemp(prefix="hedwig-"))
        self.run.chmod(0o755)
        self.etc = tmp_path / "etc"
        self.etc.mkdir()
        self.conf = tmp_path / "nginx"
        for name in ("sites-available", "sites-enabled"):
            (self.conf / name).mkdir(parents=True)
        user = "user www-data;" if os.geteuid() == 0 else ""
        (self.conf / "nginx.conf").write_text(NGINX_CONF.format(run=self.run, conf=self.conf, user=user))
        self.socket = self.run / "http.sock"
        self.tls_port = free_port()
        (self.etc / "postoffice.yml").write_text(
            f"listen: [127.0.0.1:{free_port()}]\nspool: {tmp_path}/spool.db\nqueue: beanstalk://{self.run}/queue.sock\n"
        )
        self.children = []

    def hedwig(self, *arguments, status=0):
        result = CliRunner(mix_stderr=False).invoke(main, ["--config-dir", str(self.etc), *arguments])
        assert result.exit_code == status, result.stdout + result.stderr
        return result

    def open(self, *arguments, status=0):
        given = ("--nginx-dir", str(self.conf), "--socket", str(self.socket), "--port", str(self.tls_port))
        return self.hedwig("open", *given, *arguments, status=status)

    def start(self, *command, umask=0o022):
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL, umask=umask)
        self.children.append(child)
        return child

    def nginx(self):
        self.start(NGINX, "-c", self.conf / "nginx.conf")
        until("nginx", (self.run / "nginx.pid").exists)

    def postoffice(self):
        """As its unit starts it: with a umask that would close the socket to nginx."""
        self.start(BIN / "hedwig-postoffice", "--config", self.etc / "postoffice.yml", umask=0o077)
        until("postoffice", self.socket.exists)

    def close(self):
        for child in reversed(self.children):
            child.send_signal(signal.SIGTERM)
        for child in self.children:
            child.wait(60)
        shutil.rmtree(self.run)
