"""The host itself: units, listeners, disks, spools, workers, what waits. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from hedwig.doctor.finding import AS_ROOT, NOTHING, Check, Finding, Text
from hedwig.settings import Alerts

MIB = 1 << 20
LITTLE, VERY_LITTLE = 0.10, 0.02  # of a disk, or of its inodes
ROOM, LEAST_ROOM = 1024 * MIB, 128 * MIB


@dataclass(frozen=True, slots=True)
class Unit:
    """As systemd has it: `load` (loaded, not-found, masked), `active` (active, failed, inactive, activating),
    `enabled` (enabled, disabled, static ...), `result` (success, exit-code, oom-kill ...), `restarts`."""

    name: str
    load: str
    active: str
    enabled: str = ""
    result: str = "success"
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A place where a daemon of ours is to listen. `trouble`: what came of asking it, NOTHING where it answered.
    `here`: an interface of this host has the address. `docker0`: the address that docker0 has, "" without one."""

    daemon: str
    place: str
    trouble: Text = NOTHING
    here: bool = True
    docker0: str = ""
    private: bool = False


@dataclass(frozen=True, slots=True)
class Disk:
    """Where a spool lies: octets and inodes, free (for us) and in all; 0 in all where it has no such bound."""

    folder: str
    free: int
    size: int
    free_inodes: int = 0
    inodes: int = 0


@dataclass(frozen=True, slots=True)
class SpoolState:
    """`trouble`: why it can't be read; `fault`: what is broken in it. `oldest`: seconds since the letter was taken that
    has waited longest; `waiting`: recipients."""

    path: str
    daemon: str
    absent: bool = False
    trouble: str = ""
    fault: str = ""
    waiting: int = 0
    oldest: float = 0.0


def unit_names(daemons: Sequence[str], alerts: Alerts) -> list[str]:
    """Which units should run here: those of the daemons that this host has, of alerts where somebody is told of them,
    and what belongs to every host. One with a * is a pattern."""
    names = [f"hedwig-{daemon}.service" for daemon in daemons if daemon != "worker"]
    if "postoffice" in daemons:
        names.append("hedwig-beanstalkd.service")
    if "worker" in daemons:
        names += ["hedwig-worker.target", "hedwig-worker@*.service"]
    if alerts.command or alerts.webhook.url:
        names.append("hedwig-alerts.service")
    if alerts.command:
        names.append("hedwig-hook.socket")
    return [*names, "hedwig-retention.timer"]


def judge_unit(unit: Unit) -> Finding:
    """Whether it runs."""
    check = Check("unit", unit.name)
    if unit.load == "not-found":
        seen = Text("systemd does not know it", "systemd 没有这个单元")
        return check.fail(seen, "systemctl daemon-reload", AS_ROOT)
    if unit.load == "masked":
        return check.fail(Text("it is masked", "已被屏蔽"), f"systemctl unmask {unit.name}", AS_ROOT)
    if unit.active == "failed" or (unit.active == "activating" and unit.restarts):
        seen = Text(f"it has failed ({unit.result})", f"已失败（{unit.result}）")
        where = Text("it says why; then systemctl restart", "查看原因，修复后 systemctl restart")
        return check.fail(seen, f"journalctl -u {unit.name} -n 50", where)
    if unit.active not in ("active", "reloading", "activating"):
        seen = Text(f"it does not run ({unit.active})", f"没有运行（{unit.active}）")
        return check.fail(seen, f"systemctl enable --now {unit.name}", AS_ROOT)
    if unit.enabled == "disabled":
        seen = Text("it runs, but will not after a reboot", "正在运行，但重启后不会启动")
        return check.warn(seen, f"systemctl enable {unit.name}", AS_ROOT)
    return check.passed(Text("active", "运行中"))


def judge_place(place: Place) -> Finding:
    """Whether who connects there is served."""
    check = Check("docker0" if not place.here else "listens", f"{place.daemon} {place.place}")
    if not place.here:
        if place.docker0 and place.private:
            seen = Text(
                f"no interface has this address; docker0 has {place.docker0}: containers can't reach it",
                f"没有网卡有此地址；docker0 是 {place.docker0}：容器连不上",
            )
            return check.fail(seen, f"hedwig detect-docker0 && systemctl reload hedwig-{place.daemon}", AS_ROOT)
        seen = Text(
            "no interface has this address (is Docker running?): it is served as soon as one has",
            "没有网卡有此地址（Docker 没有运行？）：一旦有了就会提供服务",
        )
        return check.warn(seen, "systemctl start docker", AS_ROOT)
    if place.trouble.en:
        seen = Text(f"no service there: {place.trouble.en}", f"没有服务：{place.trouble.zh}")
        unit = "hedwig-beanstalkd" if place.daemon == "queue" else f"hedwig-{place.daemon}"
        return check.fail(seen, f"systemctl restart {unit} && journalctl -u {unit} -n 50", AS_ROOT)
    return check.passed(Text("it answers", "有应答"))


def judge_disk(disk: Disk) -> Finding:
    """Whether mail will find room; a full disk makes clients wait (I8), and at last nothing moves."""
    check = Check("disk", disk.folder)
    share = disk.free / disk.size if disk.size else 1.0
    inodes = disk.free_inodes / disk.inodes if disk.inodes else 1.0
    seen = Text(
        f"{disk.free // MIB} MiB free ({share:.0%}), {inodes:.0%} of inodes",
        f"剩余 {disk.free // MIB} MiB（{share:.0%}），inode 剩余 {inodes:.0%}",
    )
    mend = f"du -xh --max-depth=2 {disk.folder} | sort -h | tail"
    where = Text(
        "it shows what takes the room; journalctl --vacuum-size=500M often helps",
        "查看占用；journalctl --vacuum-size=500M 常有帮助",
    )
    if (share < VERY_LITTLE and disk.free < ROOM) or disk.free < LEAST_ROOM or inodes < VERY_LITTLE:
        return check.fail(seen, mend, where)
    if (share < LITTLE and disk.free < 4 * ROOM) or disk.free < ROOM or inodes < LITTLE:
        return check.warn(seen, mend, where)
    return check.passed(seen)


def judge_spool(state: SpoolState) -> Finding:
    """Whether it can be used."""
    check = Check("spool", state.path)
    if state.absent:
        return check.skipped(Text("none yet: its daemon makes it", "还没有：由守护进程创建"))
    if state.fault:
        seen = Text(f"it is damaged: {state.fault}", f"已损坏：{state.fault}")
        return check.fail(
            seen,
            "systemctl stop 'hedwig-*'; hedwig spool salvage",
            Text(f"{AS_ROOT.en}: hedwig(1), A DAMAGED SPOOL", f"{AS_ROOT.zh}：见 hedwig(1)"),
        )
    if state.trouble:
        return check.fail(
            Text(state.trouble, state.trouble), f"chown -R hedwig:hedwig {state.path.rpartition('/')[0]}", AS_ROOT
        )
    return check.passed(Text("sound", "完好"))


def judge_waiting(state: SpoolState, patience: float) -> Finding:
    """Whether something has waited for longer than that."""
    check = Check("queue", state.daemon)
    if state.waiting and state.oldest > patience:
        hours = state.oldest / 3600
        seen = Text(
            f"{state.waiting} recipients wait, the oldest for {hours:.1f} h",
            f"{state.waiting} 个收件人在等，最久的已 {hours:.1f} 小时",
        )
        mend = "hedwig spool" if state.daemon == "mailman" else "hedwig top"
        return check.warn(seen, mend, Text("it says where, and why", "查看卡在哪里、为什么"))
    return check.passed(
        Text(f"{state.waiting} recipients wait, none for long", f"{state.waiting} 个收件人在等，都不久")
    )


def judge_workers(running: int, cores: int) -> Finding:
    """Whether anybody delivers."""
    check = Check("workers", str(running))
    if not running:
        seen = Text("no worker runs: nothing is delivered", "没有 worker 在运行：什么都发不出去")
        return check.fail(seen, "systemctl enable --now hedwig-worker@1 hedwig-worker.target", AS_ROOT)
    if running > max(4, 2 * cores):
        seen = Text(
            f"{running} workers on {cores} cores: more than is of use", f"{cores} 核上有 {running} 个 worker：太多了"
        )
        return check.warn(seen, f"systemctl disable --now 'hedwig-worker@{running}'", AS_ROOT)
    return check.passed(Text(f"{running} on {cores} cores", f"{cores} 核上 {running} 个"))


def judge_missing_tool(name: str, why: Sequence[str]) -> Finding:
    """A check that this host has no means for."""
    text = "; ".join(why)
    return Check(name, "-").skipped(Text(text, text))
