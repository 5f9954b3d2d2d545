"""Messages of DNS as octets (RFC 1035 §4): a question to send, and of an answer what was asked for.

Names and records are dnspython's. A message as a whole is not made: of what a nameserver sends one record set and the
CNAMEs before it are wanted, and building all else into objects takes longer than everything else about a question.

A message that can't be read is a dns.exception.DNSException (FormError, and others); of records that nobody wants only
the length is looked at.
"""

import struct
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype

PAYLOAD = 1232  # octets, RFC 9715: no answer of that size is fragmented on the way
MOST_CNAMES = 16  # in one answer
_HEADER = struct.Struct("!6H")  # ID, flags, and how many questions, answers, authority and additional records
_RECORD = struct.Struct("!HHIH")  # type, class, TTL, octets of data
_QUESTION = b"\xc0\x0c"  # a pointer to the question's name, as nearly all answers begin
_POINTER = 0xC0
_LABEL = 0x3F  # octets at the most
_MOST_TTL = 0x7FFFFFFF  # RFC 2181 §8: more is none
_LEAST_SOA = 22  # octets: two names and five numbers
_MINIMUM = 4  # octets of the last of them
_CNAME = dns.rdatatype.CNAME


@dataclass(frozen=True, slots=True)
class Answer:
    """`records`: of the type that was asked for, at `name`, the end of the CNAMEs (`aliased`: there were some). Where
    there are none, `ttl` (of all that, in seconds) is that of RFC 2308 §5, if the SOA came with it (`has_soa`).
    `secure`: the server says so (AD)."""

    rcode: dns.rcode.Rcode
    name: dns.name.Name
    records: tuple[dns.rdata.Rdata, ...] = ()
    ttl: int = _MOST_TTL
    aliased: bool = False
    has_soa: bool = False
    secure: bool = False


def query(name: dns.name.Name, rdtype: dns.rdatatype.RdataType, *, edns: bool = True, ad: bool = False) -> bytes:
    """A question, recursion desired, with EDNS or without, and with the AD bit (RFC 6840 §5.7). Its ID is 0."""
    head, tail = _around_name(rdtype, edns, ad)
    return head + b"".join(bytes((len(label),)) + label for label in name.labels) + tail


@cache
def _around_name(rdtype: dns.rdatatype.RdataType, edns: bool, ad: bool) -> tuple[bytes, bytes]:
    message = dns.message.make_query(dns.name.root, rdtype)
    if edns:
        message.use_edns(0, payload=PAYLOAD)
    message.id = 0
    if ad:
        message.flags |= dns.flags.AD
    wire = message.to_wire()
    return wire[: _HEADER.size], wire[_HEADER.size + 1 :]


class _Raw(NamedTuple):
    """A record not read yet: where its owner's name and its data are."""

    owner: int
    rdtype: int
    ttl: int
    start: int
    octets: int


def read(response: bytes, asked: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> Answer:
    """What `response`, whose question is known to be this one, says of it."""
    _, flags, questions, *counts = _HEADER.unpack_from(response)
    at = _HEADER.size
    for _ in range(questions):
        at = _after_name(response, at) + 4
    records, authority, additional = list[_Raw](), list[_Raw](), list[_Raw]()
    for section, count in zip((records, authority, additional), counts, strict=True):
        at = _find(response, at, count, section)
    extended = next((raw.ttl for raw in additional if raw.rdtype == dns.rdatatype.OPT), 0)
    rcode, secure = dns.rcode.from_flags(flags, extended), bool(flags & dns.flags.AD)
    message = _Message(response, asked)
    name, ttl, hops = asked, _MOST_TTL, 0
    while not (found := message.of(records, name, rdtype)) and (cnames := message.of(records, name, _CNAME)):
        hops += 1
        if hops > MOST_CNAMES:
            raise dns.message.ChainTooLong
        ttl = min(ttl, *(raw.ttl for raw in cnames))
        name = message.target(cnames[-1])
    if found:
        if rcode == dns.rcode.NXDOMAIN:
            raise dns.message.AnswerForNXDOMAIN
        ttl = min(ttl, *(raw.ttl for raw in found))
        return Answer(rcode, name, message.data(found), ttl, bool(hops), secure=secure)
    soa = message.soa(authority, name)
    return Answer(rcode, name, (), ttl if soa is None else min(ttl, soa), bool(hops), soa is not None, secure)


def _find(response: bytes, at: int, count: int, section: list[_Raw]) -> int:
    """All records of a section; where the next one begins."""
    try:
        for _ in range(count):
            owner, at = at, _after_name(response, at)
            rdtype, rdclass, ttl, octets = _RECORD.unpack_from(response, at)
            at += _RECORD.size
            if at + octets > len(response):
                raise dns.exception.FormError
            if rdtype == dns.rdatatype.OPT:
                section.append(_Raw(owner, rdtype, ttl, at, octets))
            elif rdclass == dns.rdataclass.IN:
                section.append(_Raw(owner, rdtype, ttl if ttl <= _MOST_TTL else 0, at, octets))
            at += octets
    except struct.error as error:
        raise dns.exception.FormError from error
    return at


def _after_name(response: bytes, at: int) -> int:
    """Where a name ends that begins there. What its labels are, and where a pointer leads to, is not looked at."""
    while at < len(response):
        octets = response[at]
        if not octets:
            return at + 1
        if octets >= _POINTER:
            return at + 2
        if octets > _LABEL:
            break
        at += 1 + octets
    raise dns.exception.FormError


class _Message:
    """An answer, and the name that was asked for."""

    def __init__(self, response: bytes, asked: dns.name.Name) -> None:
        self._response = response
        self._asked = asked

    def of(self, section: list[_Raw], name: dns.name.Name, rdtype: int) -> list[_Raw]:
        """The records of that name and type."""
        return [raw for raw in section if raw.rdtype == rdtype and self._owner(raw) == name]

    def _owner(self, raw: _Raw) -> dns.name.Name:
        if self._response[raw.owner : raw.owner + 2] == _QUESTION:
            return self._asked
        return dns.name.from_wire(self._response, raw.owner)[0]

    def data(self, found: list[_Raw]) -> tuple[dns.rdata.Rdata, ...]:
        """These, read; what is there twice is there once."""
        records = [self._data(raw) for raw in found]
        return tuple(dict.fromkeys(records)) if len(records) > 1 else tuple(records)

    def _data(self, raw: _Raw) -> dns.rdata.Rdata:
        rdtype = dns.rdatatype.RdataType(raw.rdtype)
        return dns.rdata.from_wire(dns.rdataclass.IN, rdtype, self._response, raw.start, raw.octets)

    def target(self, cname: _Raw) -> dns.name.Name:
        """Where a CNAME leads to."""
        target, octets = dns.name.from_wire(self._response, cname.start)
        if octets != cname.octets:
            raise dns.exception.FormError
        return target

    def soa(self, authority: list[_Raw], name: dns.name.Name) -> int | None:
        """For how many seconds it holds that nothing is there, by the SOA of a zone that has that name; None where it
        did not come."""
        for raw in authority:
            if raw.rdtype == dns.rdatatype.SOA and name.is_subdomain(self._owner(raw)):
                if raw.octets < _LEAST_SOA:
                    raise dns.exception.FormError
                end = raw.start + raw.octets
                return min(raw.ttl, int.from_bytes(self._response[end - _MINIMUM : end], "big"))
        return None
