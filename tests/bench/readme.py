"""Put a bench's table into the pages for readers: README.md, README.zh-CN.md and docs/bench.md.

    python tests/bench/readme.py [build/bench.json]

Each has two lines, `<!-- bench -->` and `<!-- /bench -->`; what stands between them is replaced. docs/bench.md gets all
rows, the READMEs a few. Run it by hand, after a `make bench` on a machine that did nothing else. It writes no page
where the run lost or doubled something, or was not a whole one.
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- bench -->\n", "<!-- /bench -->\n"
# What the READMEs show, and what it is called there.
FEW = {
    "delivered/s, one a connection, 20 sessions": (
        "letters a second, each on a new connection",
        "每秒投递，每封信一个新连接",
    ),
    "delivered/s, connections reused, 20 sessions": ("letters a second, connections reused", "每秒投递，复用连接"),
    "delivered/s, 500 domains, 20 sessions": ("letters a second to 500 domains", "每秒投递，发往 500 个域"),
    "delivered/s, signed (DKIM, RSA-2048), one a connection, 20 sessions": (
        "letters a second, signed (DKIM; Postfix with OpenDKIM)",
        "每秒投递，带 DKIM 签名（Postfix 用 OpenDKIM）",
    ),
    "CPU a message, one a connection, 20 sessions": (
        "CPU a letter, each on a new connection",
        "每封信的 CPU，每封信一个新连接",
    ),
    "CPU a message, connections reused, 20 sessions": ("CPU a letter, connections reused", "每封信的 CPU，复用连接"),
    "drain of 100000, messages/s": (
        "100,000 that waited, when the receiver is back",
        "收件方恢复后，清空积压的 100,000 封",
    ),
    "msmtp, start to exit, p50": ("msmtp, from start to exit", "msmtp 从启动到退出"),
    "PSS at its peak, 20 sessions": ("memory at its peak", "内存峰值"),
}
HEADS = (("", "hedwig / Postfix", "goal"), ("", "hedwig / Postfix", "目标"))
UNDER = (
    "Medians, as ratios to the better of two Postfixes (as it comes, and tuned) in the same run: above 1 is more,\n"
    "below 1 is less. {machine}.\n"
    "The command is `make bench`; [docs/bench.md](docs/bench.md) has all of it, and says what is fair about it.",
    "均为中位数，是与同一次运行中较好的 Postfix（默认、调优两种配置）之比：大于 1 是更多，小于 1 是更少。{machine}。"
    "命令是 `make bench`；全部结果、比较是否公平，见 [docs/bench.md](docs/bench.md)（英文）。",
)


def figure(row: dict[str, Any], number: float) -> str:
    """As a cell has it."""
    if row["unit"] == "x":
        return f"{number:.2f}×"
    return f"{number:.{0 if row['unit'] == 'B' else 1}f} {row['unit']}"


def lines(rows: list[tuple[str, dict[str, Any]]], head: tuple[str, str, str]) -> str:
    """A table in Markdown; a goal that was missed is said."""
    text = "| {} | {} | {} |\n|---|---|---|\n".format(*head)
    for name, row in rows:
        goal = f"{'≥' if row['at'] == 'least' else '≤'} {figure(row, row['goal'])}"
        text += f"| {name} | {figure(row, row['reached'])} | {goal}{'' if row['met'] else ' (**✗**)'} |\n"
    return text


def machine(on: dict[str, str], language: int = 0) -> str:
    """Where and when it was measured."""
    versions = f"Linux {on['kernel']}, Python {on['python']}, Postfix {on['postfix']}"
    cores = (f"{on['cores']} cores ({on['cpu']})", f"{on['cores']} 核（{on['cpu']}）")[language]
    return f"{on['date']}, {cores}, {versions}"


def readme(told: dict[str, Any], language: int) -> str:
    """What a README has. `language`: 0 English, 1 Chinese."""
    by_name = {row["what"]: row for row in told["table"]}
    rows = [(names[language], by_name[what]) for what, names in FEW.items()]
    return (
        lines(rows, HEADS[language]) + "\n" + UNDER[language].format(machine=machine(told["machine"], language)) + "\n"
    )


def everything(told: dict[str, Any]) -> str:
    """What docs/bench.md has."""
    rows = [(row["what"], row) for row in told["table"]]
    return f"{machine(told['machine'])}:\n\n" + lines(rows, ("", "reached", "goal"))


def unfit(told: dict[str, Any]) -> list[str]:
    """Why this run is not for readers."""
    missing = FEW.keys() - {row["what"] for row in told["table"]}
    return [*told["wrong"], *(f"the run has no {what!r}: it was not a whole one" for what in sorted(missing))]


def replaced(page: str, by: str) -> str:
    """The page with that between its two lines; ValueError where it hasn't just those."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in after:
        raise ValueError(f"a page has no single pair of {BEGIN.strip()} and {END.strip()}")
    return before + BEGIN + by + END + after


def main() -> None:
    told = json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else "build/bench.json").read_text())
    if why := unfit(told):
        sys.exit("\n".join(why))
    for name, text in (
        ("README.md", readme(told, 0)),
        ("README.zh-CN.md", readme(told, 1)),
        ("docs/bench.md", everything(told)),
    ):
        page = ROOT / name
        page.write_text(replaced(page.read_text(encoding="utf-8"), text), encoding="utf-8")
        print(f"{name} has the table")


if __name__ == "__main__":
    main()
