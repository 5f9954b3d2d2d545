"""Files: configuration that can't be used, secrets that others can read, keys that the other end doesn't take,
certificates that end. Pure.
"""

import stat
from collections.abc import Sequence
from dataclasses import dataclass

from hedwig.config import SECRET_WITH_MAILMAN, Problem
from hedwig.config.chinese import in_chinese
from hedwig.doctor.finding import AS_ROOT, COMMANDS, NOTHING, Check, Finding, Text, in_file

DAY = 86_400.0
SOON = 14 * DAY  # before the end of a key or certificate; Let's Encrypt's are renewed 30 days before


@dataclass(frozen=True, slots=True)
class Secret:
    """A file that others must not read. `reads`: whether the daemons' user may; None where that can't be told."""

    file: str
    mode: int
    owner: str
    reads: bool | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """`left`: seconds until it ends; `trouble`: why that can't be told."""

    place: str
    left: float = 0.0
    trouble: Text = NOTHING


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the postoffice says to mailman's name and key. `missing`: settings without which nobody is asked.
    `status`: HTTP, 0 without one."""

    postoffice: str
    fqdn: str
    missing: tuple[str, ...] = ()
    taken: bool = False
    status: int = 0
    trouble: str = ""


def judge_config(file: str, problems: Sequence[Problem]) -> list[Finding]:
    """Each fault of a file."""
    if not problems:
        return [Check("config", file).passed(Text("fine", "正确"))]
    found = []
    for problem in problems:
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        wrong, right = (Text(each, in_chinese(each)) for each in (problem.wrong, problem.right))
        key, key_zh = (f"{problem.key}: ", f"{problem.key}：") if problem.key else ("", "")
        seen = Text(f"{key}{wrong.en}", f"{key_zh}{wrong.zh}")
        check = Check("config", place)
        if problem.right.startswith(COMMANDS):
            found.append(check.fail(seen, problem.right, AS_ROOT))
        else:
            found.append(check.fail(seen, where=right))
    return found


def judge_agreement(key: str, postoffice: str, worker: str) -> Finding | None:
    """postoffice.yml and worker.yml share what `key` names."""
    if postoffice == worker:
        return None
    seen = Text(
        f"postoffice.yml says {postoffice}, worker.yml {worker}: what one puts there the other doesn't find",
        f"postoffice.yml 是 {postoffice}，worker.yml 是 {worker}：一边放进去，另一边找不到",
    )
    return Check("config", key).fail(seen, f"{key}: {postoffice}", in_file("worker.yml"))


def judge_secret(secret: Secret) -> Finding:
    """Who can read it."""
    check = Check("secret", secret.file)
    if secret.mode & stat.S_IROTH:
        seen = Text("every user of this host can read it", "本机任何用户都能读")
        return check.fail(seen, f"chmod o-rwx {secret.file}", AS_ROOT)
    if secret.mode & (stat.S_IWOTH | stat.S_IWGRP):
        seen = Text("others than its owner can write it", "所有者以外的用户可以改写")
        return check.fail(seen, f"chmod go-w {secret.file}", AS_ROOT)
    if secret.reads is False:
        seen = Text("the daemons (user hedwig) can't read it", "守护进程（用户 hedwig）读不到")
        return check.fail(seen, f"chown root:hedwig {secret.file} && chmod 640 {secret.file}", AS_ROOT)
    return check.passed(
        Text(f"mode {secret.mode & 0o7777:o}, of {secret.owner}", f"权限 {secret.mode & 0o7777:o}，属于 {secret.owner}")
    )


def judge_hook_secret(file: str) -> Finding:
    """A webhook's secret stands in alerts.yml, where mailman runs, too."""
    wrong, right = SECRET_WITH_MAILMAN
    seen, how = Text(wrong, in_chinese(wrong)), Text(right, in_chinese(right))
    return Check("secret", f"{file}: webhook.secret").warn(seen, "LoadCredential=hook:/etc/hedwig/hook.secret", how)


def judge_handshake(shake: Handshake) -> Finding:
    """Whether the two ends have the same key."""
    check = Check("key", shake.fqdn)
    if shake.missing:
        words = ", ".join(shake.missing)
        seen = Text(
            f"no postoffice is configured ({words} missing): mail is kept here",
            f"没有配置 postoffice（缺 {words}）：邮件留在本机",
        )
        return check.fail(seen, "hedwig setup", AS_ROOT)
    if shake.taken:
        return check.passed(Text(f"{shake.postoffice} takes it", f"{shake.postoffice} 接受"))
    if shake.status == 401:
        seen = Text(
            f"{shake.postoffice} refuses it: {shake.trouble}", f"{shake.postoffice} 不认此密钥：{shake.trouble}"
        )
        where = Text(
            "on the postoffice host; paste what it prints into `hedwig setup` here",
            "在 postoffice 主机上运行，把输出粘贴给本机的 hedwig setup",
        )
        return check.fail(seen, f"hedwig key add {shake.fqdn}", where)
    what = f"答复 {shake.status}" if shake.status else "连不上，或没有应答"
    seen = Text(f"{shake.postoffice}: {shake.trouble}", f"{shake.postoffice} {what}（{shake.trouble}）")
    return check.fail(seen, f"curl -v {shake.postoffice}healthz", Text("it shows how far one gets", "查看在哪一步不通"))


def judge_certificate(certificate: Certificate) -> Finding:
    """How long it is good for."""
    check = Check("certificate", certificate.place)
    if certificate.trouble.en:
        return check.warn(certificate.trouble)
    days = certificate.left / DAY
    mend = "hedwig open"
    where = Text(
        f"{AS_ROOT.en}, with the options of the first time (yours: renew it, then systemctl reload nginx)",
        f"{AS_ROOT.zh}，参数与首次相同（自备证书：续期后 systemctl reload nginx）",
    )
    if certificate.left <= 0:
        return check.fail(Text(f"it ended {-days:.0f} days ago", f"已过期 {-days:.0f} 天"), mend, where)
    if certificate.left < SOON:
        return check.warn(Text(f"it ends in {days:.0f} days", f"{days:.0f} 天后到期"), mend, where)
    return check.passed(Text(f"good for {days:.0f} days", f"还有 {days:.0f} 天到期"))
