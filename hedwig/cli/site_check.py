"""Whether what listens on a port of this host is nginx with the site that was just written.

`nginx -t` doesn't bind, and `nginx -s reload` comes back before it has: a port that another program has is seen only by
going there. The certificate tells whose answer it is, and /healthz whether postoffice stands behind it.
"""

import http.client
import re
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path

from hedwig.holder import UNKNOWN, holder

PATIENCE = 10.0  # seconds until nginx serves: it tries to bind for 2.5 s, and waits for its old workers
POSTOFFICE_PATIENCE = 5.0  # seconds until postoffice has opened its socket after a reload
_STEP = 0.1
_ONE_ANSWER = 5.0
_HERE = "127.0.0.1"
_ANYWHERE = "0.0.0.0"  # noqa: S104 (looked up, not bound)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class NotServed(Exception):
    """The port doesn't lead to the site; str() says where it leads."""


def check(name: str, port: int, certificate: Path, networks: Sequence[str]) -> str:
    """A remark, "" where postoffice answers through the site. NotServed: the port doesn't lead to the site. OSError.

    403 is an answer as well where `networks` leave this host out.
    """
    leaf = ssl.PEM_cert_to_DER_cert(_first(certificate))
    start = time.monotonic()
    while True:
        trouble, remark = _asked(name, port, leaf, bool(networks))
        waited = time.monotonic() - start
        if not (trouble or remark):
            return ""
        if trouble and waited >= PATIENCE:
            raise NotServed(trouble)
        if remark and waited >= POSTOFFICE_PATIENCE:
            return remark
        time.sleep(_STEP)


def who_has(port: int) -> str:
    """Half a sentence about the port, as far as it can be found out."""
    who = holder(_ANYWHERE, port)
    if who == UNKNOWN:
        return f"nobody listens on port {port}"
    return f"{who} has port {port} (`ss -ltnp 'sport = :{port}'` shows it)"


def _first(certificate: Path) -> str:
    found = _PEM.search(certificate.read_text(errors="replace"))
    if found is None:
        raise NotServed(f"{certificate} holds no certificate")
    return found[0]


def _asked(name: str, port: int, leaf: bytes, limited: bool) -> tuple[str, str]:
    """Asked once: (what is wrong with the port, what is wrong behind it)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the very certificate is compared, which is more than a chain to trust
    try:
        with (
            socket.create_connection((_HERE, port), _ONE_ANSWER) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            if secure.getpeercert(binary_form=True) != leaf:
                return f"{who_has(port)} and shows another certificate", ""
            host = f"[{name}]" if ":" in name else name
            secure.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = http.client.HTTPResponse(secure)
            answer.begin()
            status = answer.status
    except ConnectionRefusedError:
        return f"{_HERE} refuses port {port}: {who_has(port)}; /var/log/nginx/error.log may say more", ""
    except (OSError, http.client.HTTPException) as error:
        return f"{who_has(port)} and does not answer as the site ({error})", ""
    if status in (200, 503) or (status == 403 and limited):
        return "", ""
    return "", f"nginx answers {status}: postoffice is not behind it yet (systemctl status hedwig-postoffice)"
