"""What a value of each kind looks like, both ways: text -> value, and value -> the text that a file would have.

A kind is named in settings.py beside each key. A parser takes the text as the admin wrote it and returns the value, or
raises Unfit with what is wrong and what would be right. `written` is its inverse. Pure: nothing is looked up.
"""

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from hedwig import moments
from hedwig.choices import OnDoubt, Priority
from hedwig.config.problem import Unfit, shown
from hedwig.settings import DAY, GIB, HOUR, KIB, MIB, MINUTE, Listen

_SIZE = re.compile(r"([0-9]{1,12})\s*(?:([KMGT])(?:iB)?|B)?")
_SIZE_UNITS = {"": 1, "K": KIB, "M": MIB, "G": GIB, "T": 1024 * GIB}
_MAX_DURATION = 366 * DAY
_COUNT = re.compile(r"[0-9]{1,9}")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)\s*%")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_INTERFACE = re.compile(r"[A-Za-z0-9_.@-]{1,15}")  # Linux: IFNAMSIZ 16 with its NUL
_HASH = re.compile(r"sha256:([0-9A-Fa-f]{64})")


def _text(text: str) -> str:
    if not text.isprintable():
        raise Unfit("it has a line end or a control character in it", "write it on one line")
    return text


def _secret(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise Unfit("this is no key", "copy the line that `hedwig key add FQDN` printed")
    return text


def host_name(text: str) -> str:
    """A host's name, in lower case (RFC 1123 §2.1). No slash, no leading dot: it is safe as a file's name."""
    name = text.lower()
    if not name.isascii():
        import idna  # seldom needed, and the operator's commands would wait for it

        try:
            right = f"write {idna.encode(name, uts46=True).decode('ascii')}"
        except (idna.IDNAError, UnicodeError):
            right = "use letters, digits, hyphens and dots"
        raise Unfit(f"{shown(text)} is not a host name in ASCII", right)
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Unfit(
            f"{shown(text)} is not a host name", "write it like less.example.com, without scheme, port or space"
        )
    if labels[-1].isdigit():
        raise Unfit(f"{shown(text)} is an address, not a host name", "write a name like less.example.com")
    return name


def _ehlo(text: str) -> str:
    """A host name, or an address literal (RFC 5321 §4.1.3); "" leaves the choice to the worker."""
    if text.startswith("["):
        inner = text[1:-1].removeprefix("IPv6:")
        try:
            if text.endswith("]") and ipaddress.ip_address(inner).version == (6 if ":" in inner else 4):
                return text
        except ValueError:
            pass
        raise Unfit(f"{shown(text)} is no address literal", "write [192.0.2.1] or [IPv6:2001:db8::1], in quotes")
    return host_name(text) if text else ""


def size(text: str) -> int:
    """Octets, from "30 MiB", "25M" or plain octets."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise Unfit(f"{shown(text)} is not a size", "write it like 30 MiB, 25M or 512K")
    octets = int(found[1]) * _SIZE_UNITS[found[2] or ""]
    if octets < KIB:
        raise Unfit(f"{octets} octets is less than 1 KiB", f"write {found[1]} MiB if that was meant")
    if octets > 1024 * _SIZE_UNITS["T"]:
        raise Unfit(f"{shown(text)} is larger than 1024 TiB", "write it like 30 MiB or 2 GiB")
    return octets


def duration(text: str) -> int:
    """Seconds, at least 1, from "6m", "1h30m", "5d" or plain seconds."""
    seconds = _duration_or_never(text)
    if seconds == 0:
        raise Unfit("0 is too short", "write at least 1s")
    return seconds


def _duration_or_never(text: str) -> int:
    seconds = moments.duration(text)
    if seconds is None:
        raise Unfit(f"{shown(text)} is not a duration", "write it like 30s, 6m, 2h, 1h30m or 5d")
    if seconds > _MAX_DURATION:
        raise Unfit(f"{shown(text)} is longer than 366 days", "write it like 30s, 6m, 2h or 5d")
    return seconds


def _percent(text: str) -> float:
    found = _PERCENT.fullmatch(text)
    if not found or float(found[1]) > 100:
        raise Unfit(f"{shown(text)} is not a share", "write it like 20%, from 0% to 100%")
    return float(found[1]) / 100


def _port(text: str) -> int:
    if not _COUNT.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise Unfit(f"{shown(text)} is not a port", "write a number from 1 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text) or int(text) < 1:
        raise Unfit(f"{shown(text)} is not a count", "write a number from 1 on, in digits alone")
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise Unfit(f"{shown(text)} is neither true nor false", "write true or false")
    return text == "true"


def _path(text: str) -> str:
    if not text.isprintable() or not text.startswith("/") or text == "/":
        raise Unfit(f"{shown(text)} is not a full path", "begin it with a slash, like /var/lib/hedwig/…")
    return text


def _path_or_none(text: str) -> str:
    return _path(text) if text else ""


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


def _queue_url(text: str) -> str:
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


def _listen(text: str) -> Listen:
    if text.startswith("unix:"):
        return Listen(_path(text.removeprefix("unix:")), 0)
    host, colon, port = text.rpartition(":")
    if not colon or not host or host == "*":
        right = f"write {text}:25" if _is_address(text) and ":" not in text else "write it like 172.17.0.1:25"
        raise Unfit(f"{shown(text)} is not an address and a port", f"{right}; 0.0.0.0 is every IPv4 address")
    if host.startswith("[") and host.endswith("]"):
        if not _is_address(host[1:-1]) or ":" not in host:
            raise Unfit(f"{shown(host)} is not an IPv6 address", 'write it like "[2001:db8::1]:25"')
        return Listen(str(ipaddress.ip_address(host[1:-1])), _port(port))
    if ":" in host:
        raise Unfit(f"{shown(text)} has colons in its address", f'write IPv6 in brackets: "[{host}]:{port}"')
    if _is_address(host):
        return Listen(host, _port(port))
    dotted = host.replace(".", "").isdigit()
    if dotted or host == "localhost" or not _INTERFACE.fullmatch(host):
        raise Unfit(
            f"{shown(host)} is neither an address nor an interface's name",
            "write it like 172.17.0.1:25, docker0:25 or unix:/run/hedwig/http.sock",
        )
    return Listen(host, _port(port))


def _listen_inet(text: str) -> Listen:
    if text.startswith("unix:"):
        raise Unfit("mailman listens on addresses only", "write it like 172.17.0.1:25 or docker0:25")
    return _listen(text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _address(text: str) -> str:
    if not _is_address(text):
        raise Unfit(f"{shown(text)} is not an IP address", "write it like 127.0.0.1 or 2001:db8::1, without a port")
    return text


def _network(text: str, words: tuple[str, ...]) -> str:
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


def _hash(text: str) -> str:
    found = _HASH.fullmatch(text)
    if not found:
        raise Unfit("this is not the hash of a key", "let `hedwig key add FQDN` write it: sha256: and 64 hex digits")
    return f"sha256:{found[1].lower()}"


def _priority(text: str) -> Priority:
    if text.upper() not in Priority.__members__:
        raise Unfit(f"{shown(text)} is no priority", "write urgent, normal or bulk")
    return Priority[text.upper()]


def _on_doubt(text: str) -> OnDoubt:
    try:
        return OnDoubt(text)
    except ValueError:
        raise Unfit(f"{shown(text)} is none of the ways", "write retry, hold or retry-once") from None


Parser = Callable[[str], object]

SCALARS: dict[str, Parser] = {
    "text": _text, "secret": _secret, "host": host_name, "ehlo": _ehlo, "path": _path, "optional path": _path_or_none,
    "size": size, "duration": duration, "duration or never": _duration_or_never, "count": _count, "port": _port,
    "percent": _percent, "flag": _flag, "url": http_url, "queue": _queue_url,
    "priority": _priority, "on doubt": _on_doubt,
}  # fmt: skip
LISTS: dict[str, Parser] = {
    "list": _text, "listen": _listen, "listen inet": _listen_inet,
    "durations": duration, "addresses": _address, "hashes": _hash,
    "allow": lambda text: _network(text, ("loopback", "docker")),
    "refuse": lambda text: _network(text, ("this-host",)),
}  # fmt: skip
NEVER_EMPTY = frozenset({"listen", "listen inet", "durations"})


def written(kind: str, value: object) -> str:
    """How a file says `value`: the text from which the kind's parser makes it again. YAML, on one line."""
    if isinstance(value, tuple):
        item = {"durations": "duration"}.get(kind, "text")
        return "[" + ", ".join(written(item, one) for one in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Priority):
        return value.name.lower()
    if kind == "size" and isinstance(value, int):
        return _in_units(value, (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)), " ")
    if kind.startswith("duration") and isinstance(value, int):
        return _in_units(value, (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", 1)), "")
    if kind == "percent" and isinstance(value, float):
        return f"{value * 100:g}%"
    text = str(value)
    plain = text and text[0] not in "[:" and ": " not in text and not text.startswith("unix:") and " #" not in text
    return text if plain else f'"{text}"'


def _in_units(value: int, units: tuple[tuple[str, int], ...], space: str) -> str:
    for name, octets in units:
        if value and value % octets == 0:
            return f"{value // octets}{space}{name}"
    return str(value)
