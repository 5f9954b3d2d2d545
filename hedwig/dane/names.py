"""The names that a host's certificate may be for, and whether it is for one of them (RFC 7672 §3.2.2, §3.2.3).

They count for DANE-TA(2) alone: an authority signs for many hosts. With DANE-EE(3) DNS names the host's own key, and no
name in the certificate says more than that.
"""

from collections.abc import Iterable

from cryptography import x509
from cryptography.x509.oid import NameOID

from hedwig.routing import MxFound


def reference_names(domain: str, found: MxFound, base: str) -> tuple[str, ...]:
    """The names under which a host with the TLSA base domain `base` may stand for `domain` (A-labels).

    The base domain always. The domain itself, and the one that it is an alias of, only if DNSSEC vouches for the way
    from there to the host: else a forger could send its mail to any host with a certificate for its own name.
    """
    names = [base]
    if found.secure:
        names += [domain, found.name]
    return tuple(dict.fromkeys(name.lower().removesuffix(".") for name in names if name))


def presented_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names that the certificate is for; only where it has none of these, its common names. ValueError where
    they can't be read."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        names: list[str] = []
    else:
        names = extension.value.get_values_for_type(x509.DNSName)
    if not names:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        names = [attribute.value for attribute in common if isinstance(attribute.value, str)]
    return tuple(names)


def is_for(presented: Iterable[str], references: Iterable[str]) -> bool:
    """Whether one of the presented names is one of the references. A first label "*" stands for one whole label."""
    wanted = {name.lower().removesuffix(".") for name in references}
    parents = {name.partition(".")[2] for name in wanted} - {""}
    for name in presented:
        plain = name.lower().removesuffix(".")
        if plain in wanted or (plain.startswith("*.") and plain[2:] in parents):
            return True
    return False
