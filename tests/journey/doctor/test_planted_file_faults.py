"""Faults in files: of clients, keys' days, DKIM's folder, alerts. All are planted in one CONFIGDIR, found at once."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from .clinic import Clinic

ZONES = ""
_DAY = 86400
_LASTS = f'"sha256:{"a" * 64}"'


def _ends(days: float) -> str:
    last = time.strftime("%Y-%m-%d", time.localtime(time.time() + (days - 1) * _DAY))
    return f'{{hash: "sha256:{"b" * 64}", expires: {last}}}'


@dataclass(frozen=True)
class Fault:
    """`text` in `file` of CONFIGDIR; what is found, and the line that mends it ("": a sentence in `where` does)."""

    file: str
    text: str
    check: str
    subject: str
    grade: str
    seen: str
    mend: str
    chinese: str
    mode: int = 0o640


def _client(name: str, key: str, more: str = 'senders: ["*@genee.cn"]') -> tuple[str, str]:
    return f"clients.d/{name}.yml", f"key: [{key}]\n{more}\n"


FAULTS = [
    Fault(
        *_client("any.example.com", _LASTS, ""),
        *("senders", "any.example.com", "warn", "as anybody", 'senders: ["*@example.com"]', "没有限定发件人"),
    ),
    Fault(
        *_client("lax.example.com", _LASTS, 'senders: ["*@genee.cn"]\nfrom_mismatch: warn'),
        *("senders", "lax.example.com", "warn", "from_mismatch: warn", "from_mismatch: reject", "仍可冒用任何人"),
    ),
    Fault(
        *_client("over.example.com", _ends(-3)),
        *("client-key", "over.example.com", "fail", "ended on", "hedwig key add over.example.com", "到期"),
    ),
    Fault(
        *_client("soon.example.com", _ends(5)),
        *("client-key", "soon.example.com", "warn", "ends in", "hedwig key add soon.example.com", "天、于"),
    ),
    Fault(
        *_client("two.example.com", f"{_LASTS}, {_ends(5)}"),
        *("client-key", "two.example.com", "warn", "another one lasts"),
        *("hedwig key revoke two.example.com --id bbbbbbbb", "另有仍有效的密钥"),
    ),
    Fault(
        *_client("typo.example.com", _LASTS, "quotas: {messages_per_hour: 1}"),
        *("config", "clients.d/typo.example.com.yml:2", "fail", "unknown key", "", "没有这个键"),
    ),
    Fault(
        *("dkim/Bad_Dir/s.pem", "", "config", "dkim/Bad_Dir", "fail", "its name is no domain", "", "名字不是域名"),
    ),
    Fault(
        "alerts.yml",
        "webhook: {url: 'https://hooks.example.com/x', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}\n",
        *("secret", "alerts.yml", "fail", "every user of this host", "chmod o-rwx ", "本机任何用户都能读"),
        mode=0o644,
    ),
]


@pytest.fixture(scope="module")
def planted(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = tmp_path_factory.mktemp("etc")
    for daemon in ("worker", "postoffice"):
        shutil.copy(clinic.host.config / f"{daemon}.yml", config)
    for fault in FAULTS:
        file = config / fault.file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(fault.text)
        file.chmod(fault.mode)
    return config


def test_each_is_found_and_its_mend_named(clinic: Clinic, planted: Path) -> None:
    told = clinic.examine("--no-connect", config=planted)
    for fault in FAULTS:
        found = [
            each
            for each in told["findings"]
            if each["check"] == fault.check and each["subject"].removeprefix(f"{planted}/") == fault.subject
        ]
        assert [each["grade"] for each in found] == [fault.grade], (fault, told)
        assert fault.seen in found[0]["seen"]
        assert found[0]["mend"].startswith(fault.mend) if fault.mend else found[0]["where"]
    assert told["status"] == 1


def test_in_chinese(clinic: Clinic, planted: Path) -> None:
    lines = clinic.run("--no-connect", language="zh_CN.UTF-8", config=planted).stdout.splitlines()
    for fault in FAULTS:
        shown = [number for number, line in enumerate(lines) if line.split()[1:] and fault.check == line.split()[1]]
        told = [lines[number + 1] for number in shown if lines[number].endswith(fault.subject)]
        assert len(told) == 1 and fault.chinese in told[0], (fault, told)


def test_a_name_that_is_no_domain(clinic: Clinic) -> None:
    """It has no mend that a command would refuse: it is refused itself."""
    done = clinic.run("nosuch", "--no-connect")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nosuch is no domain that mail comes from" in done.stderr
    assert "不是发信域名" in clinic.run("nosuch", language="zh_CN.UTF-8").stderr
