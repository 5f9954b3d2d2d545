"""How a session is to be secured: a Security says it, of one host, and the connection keeps to it (RFC 3207, RFC 8314).

*Opportunistic* TLS (RFC 7435): encrypt where the host offers it, check nobody's certificate. Why not check: an
exchanger's name comes out of unsigned DNS, so a matching certificate proves nothing, and a bad one refused would only
mean the same letter in the clear, or lost. Certificates that are self-signed, expired or for another name are common
among MXs. Why old protocols and weak keys: against who only listens, TLS 1.0 with a 1024-bit key is better than plain
text, which is the alternative. So security level 0 (at OpenSSL 3's default level 1 TLS 1.0 and 1.1 can't be had, their
signatures are MD5 with SHA-1), and hosts without RFC 5746 are taken. The best that both sides know is still what is
chosen. Ciphers without authentication or encryption stay off.

*Authenticated* TLS (DANE, MTA-STS, `tls: verify`): TLS 1.2 at least (RFC 8461 §7.2), with keys and ciphers of level 1.
OpenSSL checks no certificate there either: `Security.check` does, right after the handshake and before anything is said
under its protection, so that it can go by whatever holds for this host, and say in words what is wrong.
"""

import functools
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass

_OP_LEGACY_SERVER_CONNECT = 0x4  # OpenSSL's number; the ssl module has the name only from Python 3.12 on
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z][A-Za-z0-9-]{0,62}\Z")


def unchecked(_tls: ssl.SSLObject) -> str:
    """Any certificate will do."""
    return ""


@dataclass(frozen=True, slots=True)
class Security:
    """What is done about TLS on a connection to one host.

    `starttls`: TLS where the host offers it. `required`: why nothing may go out in the clear, for people; "" where it
    may. `implicit`: TLS from the first octet on (RFC 8314 §3.3), no STARTTLS. `authenticated`: the handshake is for a
    host that `check` is to prove. `server_name`: for SNI, "" for the host's own name. `check`: looks at the connection
    right after the handshake; what it returns is why the host is not the one that is meant, "" if it is.
    """

    starttls: bool = True
    required: str = ""
    implicit: bool = False
    authenticated: bool = False
    server_name: str = ""
    check: Callable[[ssl.SSLObject], str] = unchecked

    @property
    def context(self) -> ssl.SSLContext:
        """The one to shake hands with."""
        return _authenticated() if self.authenticated else _opportunistic()


OPPORTUNISTIC = Security()
CLEAR = Security(starttls=False)


@functools.cache
def _opportunistic() -> ssl.SSLContext:
    """The one context for all hosts that are not authenticated."""
    context = _unverifying()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.options |= _OP_LEGACY_SERVER_CONNECT
    return context


@functools.cache
def _authenticated() -> ssl.SSLContext:
    context = _unverifying()
    context.set_ciphers("DEFAULT:@SECLEVEL=1")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _unverifying() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def server_name(host: str) -> str | None:
    """What to say in SNI (RFC 6066 §3): the host's name; nothing for a literal or what is no host name."""
    name = host.removesuffix(".")
    return name if _NAME.match(name) else None


def described(tls: ssl.SSLObject | ssl.SSLSocket | None) -> str:
    """Protocol and cipher for the journal: "TLSv1.3 TLS_AES_256_GCM_SHA384"; "" without TLS."""
    cipher = tls.cipher() if tls is not None else None
    return f"{cipher[1] if tls is None else tls.version()} {cipher[0]}" if cipher else ""
