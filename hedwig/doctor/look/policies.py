"""MTA-STS and TLS-RPT of a domain, as other senders find them: the records, and the policy from its web server."""

import asyncio

from hedwig import routing
from hedwig.doctor.domain_rules import Policy
from hedwig.doctor.finding import NOTHING, Text, Unknown, same
from hedwig.doctor.look.lookups import Lookups
from hedwig.mx.dns import DnsResolver
from hedwig.settings import Worker
from hedwig.tls import sts
from hedwig.tlsrpt import record as reports
from hedwig.worker.sts_fetch import Fetcher, FetchFailed, Terms

PATIENCE = 8.0  # seconds for the web server


async def look(lookups: Lookups, settings: Worker, domain: str, *, fetch: bool = True) -> Policy:
    """`fetch`: whether the web server is asked, where there is a policy."""
    records, told, mx = await asyncio.gather(
        lookups.texts(f"{sts.RECORD}{domain}"), lookups.texts(f"{reports.NAME}{domain}"), lookups.mx(domain)
    )
    hosts = () if isinstance(mx.hosts, Unknown) else tuple(host.name for host in mx.hosts)
    if isinstance(records, Unknown) or not sts.record_id(records):
        return Policy(domain, records, reports=told, mx=hosts)
    if not fetch:
        return Policy(domain, records, reports=told, mx=hosts, asked=False)
    content, trouble = await _fetched(settings, f"{sts.HOST}{domain}")
    return Policy(domain, records, content, trouble, told, hosts)


async def _fetched(settings: Worker, host: str) -> tuple[bytes, Text]:
    """The policy, or why it can't be had."""
    resolver = DnsResolver(settings.dns.nameservers, settings.dns.port, timeout=1.2, lifetime=3.5)
    refused = routing.parse_refuse([each for each in settings.refuse if each != "this-host"], [])
    fetcher = Fetcher(resolver, lambda: Terms(settings.ca_file, refused))
    try:
        async with asyncio.timeout(PATIENCE):
            return await fetcher.get(host), NOTHING
    except FetchFailed as error:
        return b"", same(str(error))
    except TimeoutError:
        return b"", Text(f"nothing within {PATIENCE:g} s", f"{PATIENCE:g} 秒内没有应答")
    finally:
        fetcher.close()
        await resolver.close()
