"""Kinds of values that name a place: URLs, addresses to listen on, networks. As in kinds.py; pure."""

import ipaddress
import re
from urllib.parse import urlsplit

from hedwig.config.problem import Unfit, shown
from hedwig.settings import Listen

_INTERFACE = re.compile(r"[A-Za-z0-9_.@-]{1,15}")  # Linux: IFNAMSIZ 16 with its NUL
_PORT = re.compile(r"[0-9]{1,5}")


def port_number(text: str) -> int:
    """1 to 65535."""
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise Unfit(f"{shown(text)} is not a port", "write a number from 1 to 65535")
    return int(text)


def full_path(text: str) -> str:
    """A path from the root on."""
    if not text.isprintable() or not text.startswith("/") or text == "/":
        raise Unfit(f"{shown(text)} is not a full path", "begin it with a slash, like /var/lib/hedwig/…")
    return text


def path_or_none(text: str) -> str:
    """As full_path, or ""."""
    return full_path(text) if text else ""


def http_url(text: str) -> str:
    """An http or https URL that ends with a slash."""
    right = "write it like http://192.0.2.1:8025/ or https://postoffice.example.com/"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Unfit(f"{shown(text)} is not a URL", right) from None
    if parts.username is not None:
        raise Unfit("there is a user or password in this URL", "fqdn and key say who you are; leave it out")
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not text.isprintable():
        raise Unfit(f"{shown(text)} is not an http URL", right)
    if parts.query or parts.fragment or " " in text:
        raise Unfit(f"{shown(text)} has more than a host and a path", right)
    return text if text.endswith("/") else text + "/"


def queue_url(text: str) -> str:
    """beanstalk://host:port (11300 where there is none), or beanstalk:///path of a unix socket."""
    right = "write beanstalk:///run/hedwig-beanstalkd/queue.sock, or beanstalk://127.0.0.1:11300"
    try:
        parts = urlsplit(text)
        socket = not parts.netloc and len(parts.path) > 1
        server = bool(parts.hostname) and parts.port != 0 and parts.path in ("", "/")
    except ValueError:
        raise Unfit(f"{shown(text)} is not a URL", right) from None
    extra = parts.query or parts.fragment or parts.username is not None
    if parts.scheme != "beanstalk" or extra or not (socket or server) or not text.isprintable():
        raise Unfit(f"{shown(text)} is not a queue's URL", right)
    return text


def listen(text: str) -> Listen:
    """Where a daemon listens: address:port, interface:port or unix:/path."""
    if text.startswith("unix:"):
        return Listen(full_path(text.removeprefix("unix:")), 0)
    host, colon, port = text.rpartition(":")
    if not colon or not host or host == "*":
        right = f"write {text}:25" if is_address(text) and ":" not in text else "write it like 172.17.0.1:25"
        raise Unfit(f"{shown(text)} is not an address and a port", f"{right}; 0.0.0.0 is every IPv4 address")
    if host.startswith("[") and host.endswith("]"):
        if not is_address(host[1:-1]) or ":" not in host:
            raise Unfit(f"{shown(host)} is not an IPv6 address", 'write it like "[2001:db8::1]:25"')
        return Listen(str(ipaddress.ip_address(host[1:-1])), port_number(port))
    if ":" in host:
        raise Unfit(f"{shown(text)} has colons in its address", f'write IPv6 in brackets: "[{host}]:{port}"')
    if is_address(host):
        return Listen(host, port_number(port))
    dotted = host.replace(".", "").isdigit()
    if dotted or host == "localhost" or not _INTERFACE.fullmatch(host):
        raise Unfit(
            f"{shown(host)} is neither an address nor an interface's name",
            "write it like 172.17.0.1:25, docker0:25 or unix:/run/hedwig/http.sock",
        )
    return Listen(host, port_number(port))


def listen_inet(text: str) -> Listen:
    """As listen, without unix sockets."""
    if text.startswith("unix:"):
        raise Unfit("mailman listens on addresses only", "write it like 172.17.0.1:25 or docker0:25")
    return listen(text)


def is_address(text: str) -> bool:
    """Whether it is an IP address, without a scope."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def address(text: str) -> str:
    """An IP address."""
    if not is_address(text):
        raise Unfit(f"{shown(text)} is not an IP address", "write it like 127.0.0.1 or 2001:db8::1, without a port")
    return text


def network(text: str, words: tuple[str, ...]) -> str:
    """One of `words`, or a network with no bits set behind its prefix."""
    if text in words:
        return text
    right = "write " + ", ".join((*words, "172.17.0.0/16 or 192.0.2.7"))
    try:
        if "%" in text:
            raise ValueError("a scoped address")
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise Unfit(f"{shown(text)} is not a network", right) from None
    address = text.partition("/")[0]
    if network.network_address == ipaddress.ip_address(address):
        return text
    raise Unfit(f"{shown(text)} is an address within a network", f"write {network} for all of it, or {address} alone")


def hook_url_or_none(text: str) -> str:
    """An http or https URL to post to, with whatever path and query it has; or ""."""
    right = "write it like https://hooks.example.com/services/x"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Unfit("this is not a URL", right) from None
    if not text:
        return text
    if parts.username is not None:
        raise Unfit("there is a user or password in this URL", "put what proves you into its path or query")
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or parts.fragment:
        raise Unfit("this is not an http URL", right)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Unfit("it has characters that no URL has", "write them as %20 and the like")
    return text
