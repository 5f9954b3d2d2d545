"""Fetches a domain's MTA-STS policy from its web server (RFC 8461 §3.3), by requests, in threads.

Only a whole answer 200 of the media type text/plain is a policy, from a host whose certificate is for its name; no
redirect is followed, no proxy of the environment asked, and nothing decompressed. The caller has looked the address up,
and whether it may be talked to at all: the name isn't looked up anew, so that it can't lead anywhere else.

requests bounds a single read, no more: here all of it, from connecting to the last octet, has SECONDS (the RFC's one
minute); then the socket is cut.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.poolmanager import PoolManager

from hedwig.lean_requests import HTTPAdapter, requests
from hedwig.mx import AddressesFound, Resolver
from hedwig.reply import one_line
from hedwig.routing import Networks, refused
from hedwig.tls.sts import MAX_OCTETS, PATH
from hedwig.tlsrpt import Result

SECONDS = 60.0
MOST = 32  # fetches at a time
MOST_ADDRESSES = 3  # of a web server
CONNECT = 10.0  # seconds of these for TCP, and for each read

Fetch = Callable[..., bytes]


class FetchFailed(Exception):
    """There is no policy to be had; `result`: why, in RFC 8460's words."""

    def __init__(self, result: Result, text: str) -> None:
        super().__init__(one_line(text))
        self.result = result


def fetch(host: str, address: str, cut: "Cut", ca_file: str = "", *, port: int = 443) -> bytes:
    """The policy that `host`, at `address`, has. Blocks, until `cut` strikes at the latest. `ca_file`: the authorities
    to trust, "" for the system's. Raises FetchFailed."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.verify = ca_file or True
            session.mount("https://", _Adapter(host, cut))
            content = _get(session, f"https://{f'[{address}]' if ':' in address else address}:{port}{PATH}", host)
    except requests.exceptions.SSLError as error:
        failed = FetchFailed(Result.STS_WEBPKI_INVALID, f"its web server's TLS: {_reason(error)}")
    except (OSError, HTTPError, ValueError) as error:  # requests' own are OSErrors, those of raw answers urllib3's
        failed = FetchFailed(Result.STS_FETCH_ERROR, f"its web server: {_reason(error)}")
    except FetchFailed as error:
        failed = error
    else:
        if not cut.struck:  # or what came is whatever had come by then
            return content
    finally:
        cut.over()
    if cut.struck:
        raise FetchFailed(Result.STS_FETCH_ERROR, f"its web server: nothing within {cut.seconds:g} s")
    raise failed


@dataclass(frozen=True, slots=True)
class Terms:
    """What fetching goes by: the authorities to trust ("" for the system's), and networks that are not talked to."""

    ca_file: str
    refused: Networks


class Fetcher:
    """Of one worker; belongs to the event loop. `terms` gives those in force."""

    def __init__(self, resolver: Resolver, terms: Callable[[], Terms], fetch: Fetch = fetch) -> None:
        self._resolver = resolver
        self._terms = terms
        self._fetch = fetch
        self._hands = ThreadPoolExecutor(MOST, thread_name_prefix="mta-sts")

    async def get(self, host: str) -> bytes:
        """The policy of `host`, as octets, not read yet; from the first of its addresses that gives an answer, all
        within SECONDS or so. Raises FetchFailed."""
        terms = self._terms()
        answer = await self._resolver.addresses(host)
        if not isinstance(answer, AddressesFound):
            raise FetchFailed(Result.STS_FETCH_ERROR, f"its web server: {answer.text}")
        failure = FetchFailed(Result.STS_FETCH_ERROR, f"{host} has no address that may be talked to")
        give_up = time.monotonic() + SECONDS
        loop = asyncio.get_running_loop()
        for address in [each for each in answer.addresses if not refused(each, terms.refused)][:MOST_ADDRESSES]:
            cut = Cut(max(1.0, give_up - time.monotonic()))
            try:
                return await loop.run_in_executor(self._hands, self._fetch, host, address, cut, terms.ca_file)
            except FetchFailed as error:
                failure = error
                if error.result is not Result.STS_FETCH_ERROR:
                    break
            except asyncio.CancelledError:
                cut.strike()  # the process can't end before its threads do
                raise
        raise failure

    def close(self) -> None:
        """Fetch no more."""
        self._hands.shutdown(wait=False, cancel_futures=True)


def _get(session: requests.Session, url: str, host: str) -> bytes:
    headers = {"Host": host, "Accept": "text/plain", "Accept-Encoding": "identity", "User-Agent": "hedwig"}
    with session.get(url, headers=headers, stream=True, allow_redirects=False, timeout=CONNECT) as answer:
        if answer.status_code != 200:
            raise FetchFailed(Result.STS_FETCH_ERROR, f"its web server said {answer.status_code} {answer.reason}")
        media = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media != "text/plain" or "Content-Encoding" in answer.headers:
            raise FetchFailed(Result.STS_INVALID, f"its policy is no plain text, but {media or 'of no type'}")
        content: bytes = answer.raw.read(MAX_OCTETS + 1, decode_content=False)
        if len(content) > MAX_OCTETS:
            raise FetchFailed(Result.STS_INVALID, f"its policy is larger than {MAX_OCTETS >> 10} KiB")
        if answer.headers.get("Content-Length", str(len(content))) != str(len(content)):
            raise FetchFailed(Result.STS_FETCH_ERROR, "its web server broke off within the policy")
        return content


class Cut:
    """Ends a fetch `seconds` from now, or when it is told to."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self.struck = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self.strike)
        self._timer.daemon = True
        self._timer.start()

    def opened(self, opened: socket.socket) -> None:
        """Know the connection by a descriptor of our own: TLS takes the socket's away."""
        self._sockets.append(socket.socket(fileno=os.dup(opened.fileno())))
        if self.struck:
            self.strike()

    def over(self) -> None:
        """It has ended by itself."""
        self._timer.cancel()
        self._timer.join()
        for each in self._sockets:
            each.close()

    def strike(self) -> None:
        """It is over, from any thread."""
        self.struck = True
        for each in self._sockets:
            with contextlib.suppress(OSError):  # it has ended in this moment
                each.shutdown(socket.SHUT_RDWR)


def _dialled(connection: Any) -> Any:
    """urllib3's TCP connection, which has no annotations."""
    return connection._new_conn()


class _Adapter(HTTPAdapter):
    """requests' adapter to an address, by TLS with a host of a name."""

    def __init__(self, host: str, cut: Cut) -> None:
        self._host = host
        self._cut = cut
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        cut = self._cut

        class Secure(HTTPSConnection):
            def _new_conn(self) -> Any:
                made = _dialled(super())
                cut.opened(made)
                return made

        class Pool(HTTPSConnectionPool):
            ConnectionCls = Secure

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it checks names; requests loads the authorities
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.hostname_checks_common_name = False
        self.poolmanager = PoolManager(num_pools=1, maxsize=1, ssl_context=context, server_hostname=self._host)
        self.poolmanager.pool_classes_by_scheme = {"https": Pool}


def _reason(error: BaseException) -> str:
    """The system's or OpenSSL's own reason, without the wrappings of libraries."""
    reason, inner = str(error), error.__context__
    while inner is not None:
        if isinstance(inner, OSError) and not isinstance(inner, requests.RequestException):
            reason = getattr(inner, "verify_message", "") or inner.strerror or str(inner) or type(inner).__name__
        inner = inner.__context__
    return one_line(reason) or type(error).__name__
