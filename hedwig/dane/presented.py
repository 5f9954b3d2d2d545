"""The certificates that a peer showed in its TLS handshake, checked or not, as DER.

Python 3.13 says them: SSLObject.get_unverified_chain(). From 3.10 to 3.12 the same is there, but one floor down, in the
object of the C module. asyncio and uvloop both give an ssl.SSLObject: transport.get_extra_info("ssl_object").
"""

import _ssl
import ssl
from typing import Any


def presented_chain(tls: ssl.SSLObject | ssl.SSLSocket) -> tuple[bytes, ...]:
    """The host's own certificate first, then the others in the order in which they came; empty if there are none."""
    public: Any = getattr(tls, "get_unverified_chain", None)
    if public is not None:
        return tuple(public())
    inner: Any = getattr(tls, "_sslobj")  # noqa: B009  mypy knows no private attribute
    return tuple(certificate.public_bytes(_ssl.ENCODING_DER) for certificate in inner.get_unverified_chain() or ())
