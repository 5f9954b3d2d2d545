"""One POST by HTTP or HTTPS, to a URL that somebody else chose (RFC 8460 §5.4) or the operator (HTTP/1.1, RFC 9112).

It goes to an address that the caller has checked: the host's name is not looked up anew, so that it can't lead
anywhere else; whoever trusts the URL gives its host for the address. A certificate must be for that name. No redirect
is followed, no proxy asked, and of the answer the status alone is read; all of it has SECONDS, however slowly the
host drips.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from hedwig.reply import one_line
from hedwig.smtp.channel import lost_because

SECONDS = 60.0
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: ([^\r\n]*))?\r?\n\Z")


def client_context(ca_file: str) -> ssl.SSLContext:
    """By the authorities of a file, or of a folder that has them under their hashes; "": the system's. What can't be
    read vouches for nobody."""
    if not ca_file:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with suppress(OSError):
        folder = Path(ca_file).is_dir()
        context.load_verify_locations(None if folder else ca_file, ca_file if folder else None)
    return context


Headers = Mapping[str, str]


async def post(url: str, address: str, content: bytes, about: str | Headers, tls: ssl.SSLContext | None = None) -> str:
    """An empty text if the host took it (2yz), else why not. `about`: the content's type, or more header fields with
    it. `tls`: by default the system's authorities count."""
    parts = urlsplit(url)
    context = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
    fields = {"Content-Type": about} if isinstance(about, str) else about
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    head = (
        f"POST {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        *(f"{name}: {value}" for name, value in fields.items()),
        f"Content-Length: {len(content)}",
        "Connection: close",
        "\r\n",
    )
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection(
                address,
                parts.port or (443 if context else 80),
                ssl=context,
                server_hostname=parts.hostname if context else None,
            )
            try:
                writer.write("\r\n".join(head).encode("ascii") + content)
                await writer.drain()
                return await _refusal(reader)
            finally:
                writer.transport.abort()
    except TimeoutError:
        return f"no answer within {SECONDS:g} s"
    except (OSError, ValueError) as error:  # ValueError: a line past the reader's limit, a name that SNI can't carry
        return one_line(lost_because(error))


async def _refusal(reader: asyncio.StreamReader) -> str:
    """An empty text for 2yz. Interim answers (1yz) are passed over."""
    while True:
        line = await reader.readline()
        status = _STATUS.match(line)
        if not status:
            return "the connection was closed" if not line else f"no HTTP: {one_line(line.decode('utf-8', 'replace'))}"
        code = int(status[1])
        if code >= 200:
            words = (status[2] or b"").decode("utf-8", "replace")
            return "" if code < 300 else one_line(f"{code} {words}").strip()
        while (await reader.readline()).strip():
            continue
