"""The hosts that may hand in mail here (clients.d): whom their letters may be from, and their keys' last days. Pure."""

import time

from hedwig.choices import FromMismatch
from hedwig.doctor.file_rules import DAY, SOON
from hedwig.doctor.finding import AS_ROOT, Check, Finding, Text, in_file
from hedwig.settings import Client, ClientKey

_SHORT = 8  # of a hash, as `hedwig key list` shows it


def judge_senders(client: Client, file: str) -> Finding:
    """Whether it is written down who it may send as, and holds."""
    check = Check("senders", client.fqdn)
    if not client.senders:
        domain = client.fqdn.partition(".")[2] if client.fqdn.count(".") > 1 else client.fqdn
        seen = Text(
            "it may send as anybody, in every domain's name; what is of a domain with a key here is signed, too",
            "没有限定发件人：可以冒用任何域名；域名在本机有 DKIM 密钥的还会签名",
        )
        return check.warn(seen, f'senders: ["*@{domain}"]', in_file(file))
    if client.from_mismatch is FromMismatch.WARN:
        seen = Text(
            "`from_mismatch: warn` lets it send as anybody all the same: `senders` keeps nothing back, and what is of "
            "a domain with a key here is signed, too",
            "`from_mismatch: warn` 使它仍可冒用任何人：`senders` 什么也不拦；域名在本机有 DKIM 密钥的还会签名",
        )
        line = client.lines.get("from_mismatch", 0)
        place = f"{file}:{line}" if line else file
        where = Text(
            f"into {place}, once the journal warns of no letter that is meant to go",
            f"写入 {place}；先确认日志里没有对正常邮件的警告",
        )
        return check.warn(seen, "from_mismatch: reject", where)
    return check.passed(Text(f"{len(client.senders)} named", f"列出 {len(client.senders)} 个"))


def judge_keys(client: Client, now: float) -> list[Finding]:
    """Whether it can hand in mail, and for how long. `now`: Unix seconds. A key that has ended is refused (401): the
    host keeps its mail until it has another."""
    check, name = Check("client-key", client.fqdn), client.fqdn
    lasting = [key for key in client.key if not key.expires or key.expires - now >= SOON]
    ended = [key for key in client.key if key.expires and key.expires <= now]
    ending = [key for key in client.key if now < key.expires < now + SOON]
    anew = Text(
        f"{AS_ROOT.en}; paste what it prints into `hedwig setup` on {name}",
        f"{AS_ROOT.zh}；把输出粘贴给 {name} 上的 hedwig setup",
    )
    if not client.key:
        seen = Text("it has no key: its mail is refused", "没有密钥：它的邮件被拒绝")
        return [check.fail(seen, f"hedwig key add {name}", anew)]
    if not lasting and not ending:
        last = max(ended, key=lambda key: key.expires)
        seen = Text(
            f"its key {_id(last)} ended on {_moment(last)}: its mail is refused and waits there",
            f"密钥 {_id(last)} 已于 {_moment(last)} 到期：它的邮件被拒绝，滞留在那里",
        )
        return [check.fail(seen, f"hedwig key add {name}", anew)]
    if not lasting:
        last = max(ending, key=lambda key: key.expires)
        days = f"{(last.expires - now) / DAY:.0f}"
        seen = Text(
            f"its key {_id(last)} ends in {days} days, on {_moment(last)}: then its mail is refused",
            f"密钥 {_id(last)} 还有 {days} 天、于 {_moment(last)} 到期：此后它的邮件被拒绝",
        )
        return [check.warn(seen, f"hedwig key add {name}", anew)]
    found = [_replaced(check, key, over=True) for key in ended] + [_replaced(check, key, over=False) for key in ending]
    return found or [check.passed(Text(f"{len(client.key)} valid", f"{len(client.key)} 个有效"))]


def _replaced(check: Check, key: ClientKey, *, over: bool) -> Finding:
    """One that is ending or over, beside others that last."""
    name = check.subject
    seen = Text(
        f"its key {_id(key)} {'ended' if over else 'ends'} on {_moment(key)}; another one lasts",
        f"密钥 {_id(key)} {'已于' if over else '将于'} {_moment(key)} 到期；另有仍有效的密钥",
    )
    where = Text(
        f"{AS_ROOT.en}, once {name} uses the other one (see {name}'s `hedwig doctor`: key)",
        f"{AS_ROOT.zh}，前提是 {name} 已换用另一个（见 {name} 上的 hedwig doctor：key）",
    )
    return check.warn(seen, f"hedwig key revoke {name} --id {_id(key)}", where)


def _id(key: ClientKey) -> str:
    return key.hash.removeprefix("sha256:")[:_SHORT]


def _moment(key: ClientKey) -> str:
    """In this host's time zone, as `hedwig key list` shows it."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(key.expires))
