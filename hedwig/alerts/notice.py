"""A notice: what is told of an alert, as JSON and as facts for a command's environment. Pure.

The titles are fixed text in Chinese and English; a receiver's words stand in `text` and `facts` alone, never in the
environment. `id` is the notice's; `alert` is the same for all notices of one trouble.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from hedwig.alerts.ledger import News
from hedwig.bell import Kind

TITLES = {
    Kind.RECEIVER_BACKED_OFF: ("收件方要求暂缓发送", "A receiver limits this host; its mail waits"),
    Kind.REPUTATION: ("收件方因信誉拦截本机邮件", "A receiver blocks this host's mail for its reputation"),
    Kind.AUTHENTICATION: ("收件方因我方认证设置拒收", "A receiver refuses mail for our SPF, DKIM, DMARC, PTR or TLS"),
    Kind.MAIL_REFUSED: ("收件方对所发邮件不满", "A receiver minds what is sent"),
    Kind.SMARTHOST_LOGIN: ("无法登录中继服务器", "A smarthost lets us not log in"),
    Kind.KEY_REFUSED: ("postoffice 不接受本机的密钥", "The postoffice refuses this host's key"),
    Kind.POSTOFFICE_DOWN: ("无法连接 postoffice", "The postoffice can't be reached; mail waits here"),
    Kind.MQ_DOWN: ("消息队列不可用", "The MQ can't be reached"),
    Kind.SPOOL: ("邮件存储出错", "The spool is in trouble"),
    Kind.DNS_DOWN: ("DNS 服务器无应答", "No nameserver answers; mail waits"),
    Kind.STUCK: ("守护进程卡住", "A daemon is stuck"),
    Kind.FAULT: ("程序内部错误", "A fault in hedwig itself"),
    Kind.QUOTA: ("发信方用完配额", "A client has used up its quota"),
    Kind.UNIT_FAILED: ("服务已停止且无法自动恢复", "A unit has failed"),
    Kind.RESTARTING: ("服务反复崩溃重启", "A daemon crashes again and again"),
    Kind.OLD_MAIL: ("有邮件等待过久", "Mail has waited for long"),
    Kind.DISK: ("磁盘空间不足", "The disk of a spool fills"),
    Kind.SPOOL_FULL: ("本机待发邮件接近上限", "mailman's spool fills"),
    Kind.TOO_MANY: ("告警过多，其余仅列入清单", "Too many alerts; the rest is in the list alone"),
    Kind.TEST: ("测试告警", "A test alert"),
}


@dataclass
class Told:
    """How it stands with one way of telling. `state`: waiting, done or given up; `due`: Unix seconds."""

    state: str = "waiting"
    tries: int = 0
    due: float = 0.0
    words: str = ""


@dataclass
class Notice:
    """A notice and what became of it, by way (`command`, `webhook`)."""

    id: str
    host: str
    news: dict[str, Any]
    ways: dict[str, Told] = field(default_factory=dict)

    @property
    def at(self) -> float:
        """Unix seconds."""
        return float(self.news["at"])

    def content(self) -> bytes:
        """What is told: JSON, UTF-8."""
        chinese, english = titles(self.news["kind"])
        told = {name: value for name, value in self.news.items() if name != "withheld"}
        whole = {"version": 1, "id": self.id, "host": self.host, "title": english, "title_zh": chinese, **told}
        return json.dumps(whole, ensure_ascii=False).encode("utf-8", "replace") + b"\n"

    def environment(self) -> dict[str, str]:
        """Short facts for a command, none of them in a receiver's words."""
        chinese, english = titles(self.news["kind"])
        subject = "".join(one if one.isalnum() or one in ".-_@:/ " else "?" for one in self.news["subject"])[:255]
        facts = {"ID": self.id, "HOST": self.host, "STATE": self.news["state"], "KIND": self.news["kind"]}
        facts |= {"SUBJECT": subject, "TITLE": english, "TITLE_ZH": chinese}
        return {f"HEDWIG_ALERT_{name}": value for name, value in facts.items()}

    def packed(self) -> bytes:
        """As its file has it."""
        return json.dumps(asdict(self)).encode()


def titles(kind: str) -> tuple[str, str]:
    """Chinese, English."""
    return TITLES[Kind(kind)] if kind in TITLES else (kind, kind)


def of(notice_id: str, host: str, news: News, ways: list[str]) -> Notice:
    """A new one, to be told by these ways; a withheld one by none."""
    told = {} if news.withheld else {way: Told() for way in ways}
    return Notice(notice_id, host, asdict(news), told)


def unpacked(content: bytes) -> Notice:
    """From its file. ValueError for anything else."""
    try:
        found = json.loads(content)
        ways = {str(name): Told(**told) for name, told in found["ways"].items()}
        notice = Notice(str(found["id"]), str(found["host"]), dict(found["news"]), ways)
        if notice.at < 0 or not {"kind", "state", "subject", "text"} <= notice.news.keys():
            raise ValueError("keys are missing")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no notice: {error}") from None
    return notice
