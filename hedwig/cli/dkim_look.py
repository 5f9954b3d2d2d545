"""What DNS has of the keys, asked of the resolver that worker.yml names, or the system's."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hedwig.cli.dkim_keys import WORDS
from hedwig.config import load_worker
from hedwig.config.dkim import KeyFile
from hedwig.dkim.keys import Key
from hedwig.doctor.dkim_record import Verdict, compare
from hedwig.doctor.finding import Text
from hedwig.mx import MxUnknown
from hedwig.mx.dns import DnsResolver
from hedwig.settings import Dns


@dataclass(frozen=True, slots=True)
class Found:
    """What DNS has for one key. `state`: as in Shown; `name`: of the record."""

    domain: str
    selector: str
    state: str
    name: str
    verdict: Verdict

    @property
    def sound(self) -> bool:
        """Whether receivers can verify with it."""
        return self.verdict.sound


def look(config_dir: Path, files: Sequence[KeyFile]) -> list[Found]:
    """Look for all of them at once. ConfigError where a key or worker.yml can't be read."""
    file = config_dir / "worker.yml"
    where = load_worker(file).dns if file.exists() else Dns()
    keys = [each.read() for each in files]
    verdicts = asyncio.run(_looked(keys, where))
    return [
        Found(key.domain, key.selector, WORDS[each.state], key.name, verdict)
        for each, key, verdict in zip(files, keys, verdicts, strict=True)
    ]


async def _looked(keys: Sequence[Key], where: Dns) -> list[Verdict]:
    resolver = DnsResolver(where.nameservers, where.port)
    try:
        return await asyncio.gather(*(_found(resolver, key) for key in keys))
    finally:
        await resolver.close()


async def _found(resolver: DnsResolver, key: Key) -> Verdict:
    texts = await resolver.texts(key.name)
    if isinstance(texts, MxUnknown):
        wrong = Text(f"DNS gives no answer: {texts.text}", f"DNS 没有应答：{texts.text}")
        return Verdict(False, wrong, where=Text("try again; receivers wait as well", "请稍后再试；收件方同样在等"))
    if texts:
        return compare(key, texts)
    doubled = await resolver.texts(f"{key.name}.{key.domain}")
    return compare(key, texts, () if isinstance(doubled, MxUnknown) else doubled)
