"""The DNS records that a domain and the host that sends its mail need, as they are to be published. Pure.

SPF (RFC 7208) for the domain, with ~all at first, for others may send for it who were not thought of; and for the name
in EHLO, which stands for bounces (§2.4) and for this host alone; A or AAAA and PTR for that
name (RFC 5321 §4.1.4, and what every big receiver asks for); DKIM's as they come from the keys; DMARC (RFC 7489), with
p=none at first: it asks receivers for reports and has them refuse nothing.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

TTL = 3600


@dataclass(frozen=True, slots=True)
class Record:
    """`name` without the dot at its end. `value` is one line, as panels take it; `zone` the lines of a zone file.
    `whose`: who can set it where that is not the domain's owner, in English and Chinese."""

    name: str
    kind: str
    value: str
    zone: str = ""
    whose: tuple[str, str] = ("", "")

    def in_zone(self) -> str:
        """As lines of a zone file."""
        if self.zone:
            return self.zone
        value = f'"{self.value}"' if self.kind == "TXT" else self.value
        return f"{self.name}. {TTL} IN {self.kind} {value}"


def records(domain: str, ehlo: str, addresses: Sequence[str], keys: Sequence[Record]) -> list[Record]:
    """All of them. `addresses`: those that mail leaves from; `keys`: the records of DKIM keys."""
    found = [ipaddress.ip_address(address) for address in addresses]
    named = not ehlo.startswith("[")
    made: list[Record] = []
    if named:
        made += [Record(ehlo, "A" if each.version == 4 else "AAAA", str(each)) for each in found]
        owner = ("whoever gave you the address sets this one", "这一条由分配地址的一方（机房、云厂商）设置")
        made += [Record(each.reverse_pointer, "PTR", f"{ehlo}.", whose=owner) for each in found]
    mechanisms = " ".join(f"ip{each.version}:{each}" for each in found)
    made.append(Record(domain, "TXT", f"v=spf1 {mechanisms} ~all"))
    if named and ehlo != domain:
        made.append(Record(ehlo, "TXT", f"v=spf1 {mechanisms} -all"))
    made += keys
    made.append(Record(f"_dmarc.{domain}", "TXT", f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"))
    return made
