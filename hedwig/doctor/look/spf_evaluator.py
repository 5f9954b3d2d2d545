"""SPF evaluated by pyspf (RFC 7208), whose questions go through our own resolver.

pyspf is synchronous and asks by its module's DNSLookup, which is its hook for other resolvers: so each evaluation has a
thread of its own, and the thread knows whom to ask.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import spf as pyspf

from hedwig.doctor.beside import in_thread
from hedwig.doctor.finding import Unknown
from hedwig.doctor.look.lookups import Lookups
from hedwig.doctor.spf_record import is_spf
from hedwig.doctor.spf_rules import Spf
from hedwig.mx.records import Records

# No record lets these send on purpose: reserved (RFC 1112 §4), and the discard prefix (RFC 6666).
_NOBODY = {4: "240.0.0.1", 6: "100::1"}
_WAIT = 10.0  # seconds for one answer, more than Lookups ever takes

Asked = list[tuple[tuple[str, str], Any]]
_here = threading.local()


def _look_up(name: str, kind: str, *_: object) -> Asked:
    asked: Asked = _here.ask(name, kind)
    return asked


pyspf.DNSLookup = _look_up


async def evaluate(lookups: Lookups, domain: str, address: str, ehlo: str) -> Spf:
    """What a receiver finds of a letter from postmaster@`domain`, at `address`."""
    texts = await lookups.texts(domain)
    if isinstance(texts, Unknown):
        return Spf(domain, address, texts)
    records = tuple(text for text in texts if is_spf(text))
    if not records:
        return Spf(domain, address)
    loop = asyncio.get_running_loop()

    def ask(name: str, kind: str) -> Asked:
        answer = _waited(loop, lookups.records(name, kind))
        if isinstance(answer, Unknown):
            raise pyspf.TempError(answer.text)
        return [((name, kind), _value(rdata, kind)) for rdata in answer.rdatas]

    result, words, broken = await in_thread(lambda: _ours(ask, domain, address, ehlo))
    used, void, anyone = await in_thread(lambda: _whole(ask, domain, address, ehlo))
    return Spf(domain, address, records, result, words, broken, used, void, anyone)


def _waited(loop: asyncio.AbstractEventLoop, question: Coroutine[Any, Any, Records | Unknown]) -> Records | Unknown:
    return asyncio.run_coroutine_threadsafe(question, loop).result(_WAIT)


def _value(rdata: Any, kind: str) -> Any:
    if kind == "MX":
        return rdata.preference, rdata.exchange.to_text(omit_final_dot=True)
    if kind == "PTR":
        return rdata.target.to_text(omit_final_dot=True)
    return list(rdata.strings) if kind in ("TXT", "SPF") else rdata.to_text()


def _ours(ask: Callable[[str, str], Asked], domain: str, address: str, ehlo: str) -> tuple[str, str, str]:
    """The result, its words, and the term that broke it."""
    _here.ask = ask
    query = pyspf.query(i=address, s=f"postmaster@{domain}", h=ehlo, strict=True)
    result, _, words = query.check()
    return str(result), str(words), str(query.mech[-1]) if query.mech else ""


def _whole(ask: Callable[[str, str], Asked], domain: str, address: str, ehlo: str) -> tuple[int, int, bool]:
    """Look-ups and void look-ups of the whole record, as an address needs them that nothing in it fits, and whether
    something does. Not strict: it goes on past the bound."""
    _here.ask = ask
    nobody = _NOBODY[6 if ":" in address else 4]
    query = pyspf.query(i=nobody, s=f"postmaster@{domain}", h=ehlo, strict=False)
    result, _, _ = query.check()
    return int(query.lookups), int(query.void_lookups), result == "pass"
