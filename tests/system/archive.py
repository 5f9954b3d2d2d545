"""https://apt.genee.cn/: a web server that shows a folder, where machines find our packages as hosts do."""

import functools
import ssl
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from journey.network import tool

from .machine import Machine
from .outside import ARCHIVE

NAME = "apt.genee.cn"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: pytest's output has no place for it."""


class Archive:
    """Shows `folder`, in the network namespace of the thread that makes it. `directory` is for its certificate."""

    def __init__(self, folder: Path, directory: Path) -> None:
        self._certificate = directory / "archive.pem"
        key = directory / "archive.key"
        command = [tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
        subprocess.run([*command, "-keyout", key, "-out", self._certificate], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate, key)
        self._server = ThreadingHTTPServer((ARCHIVE, 443), functools.partial(_Quiet, directory=str(folder)))
        # The handshake is for the thread that serves a connection: the one that accepts waits for nobody.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def trusted_by(self, machine: Machine) -> None:
        """Have the machine believe the server's certificate, as hosts believe that of a public authority."""
        machine.path("/usr/local/share/ca-certificates/archive.crt").write_text(self._certificate.read_text())
        machine.run("update-ca-certificates")

    def close(self) -> None:
        """No one is served any more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
