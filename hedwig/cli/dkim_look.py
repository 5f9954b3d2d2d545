"""What DNS has of the keys, asked of the resolver that worker.yml names, or the system's."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hedwig.cli.dkim_keys import WORDS
from hedwig.config import load_worker
from hedwig.config.dkim import KeyFile
from hedwig.dkim import record
from hedwig.dkim.keys import Key
from hedwig.dkim.record import Finding
from hedwig.mx import MxUnknown
from hedwig.mx.dns import DnsResolver
from hedwig.settings import Dns


@dataclass(frozen=True, slots=True)
class Found:
    """What DNS has for one key. `name`: of the record; the others as in Finding and Shown."""

    domain: str
    selector: str
    state: str
    name: str
    sound: bool
    wrong: str
    mend: str


def look(config_dir: Path, files: Sequence[KeyFile]) -> list[Found]:
    """Look for all of them at once. ConfigError where a key or worker.yml can't be read."""
    file = config_dir / "worker.yml"
    where = load_worker(file).dns if file.exists() else Dns()
    keys = [each.read() for each in files]
    findings = asyncio.run(_looked(keys, where))
    return [
        Found(key.domain, key.selector, WORDS[each.state], key.name, finding.sound, finding.wrong, finding.mend)
        for each, key, finding in zip(files, keys, findings, strict=True)
    ]


async def _looked(keys: Sequence[Key], where: Dns) -> list[Finding]:
    resolver = DnsResolver(where.nameservers, where.port)
    try:
        return await asyncio.gather(*(_found(resolver, key) for key in keys))
    finally:
        await resolver.close()


async def _found(resolver: DnsResolver, key: Key) -> Finding:
    texts = await resolver.texts(key.name)
    if isinstance(texts, MxUnknown):
        return Finding(False, f"DNS gives no answer: {texts.text}", "try again; receivers wait as well")
    if texts:
        return record.compare(key, texts)
    doubled = await resolver.texts(f"{key.name}.{key.domain}")
    return record.compare(key, texts, () if isinstance(doubled, MxUnknown) else doubled)
