"""Put a bench's table into the pages for readers: README.md, README.zh-CN.md and docs/bench.md.

    python tests/bench/readme.py [build/bench.json]

Each has two lines, `<!-- bench -->` and `<!-- /bench -->`; what stands between them is replaced. docs/bench.md gets all
rows, the READMEs a few. Run it by hand, after a `make bench` on a machine that did nothing else. It writes no page
where the run lost or doubled something, was not a whole one, or had fewer messages, rounds or letters than usual.
"""

import json
import sys
from pathlib import Path
from typing import Any

from options import USUAL

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
    "The command is `make bench`; [docs/bench.md](docs/bench.md) has all of it, what is fair about it, and why goals\n"
    "are missed.",
    "均为中位数，是与同一次运行中较好的 Postfix（默认、调优两种配置）之比：大于 1 是更多，小于 1 是更少。{machine}。"
    "命令是 `make bench`；全部结果、比较是否公平、未达目标的原因，见 [docs/bench.md](docs/bench.md)（英文）。",
)


def figure(row: dict[str, Any], number: float) -> str:
    """As a cell has it."""
    if row["unit"] == "x":
        return f"{number:.2f}×"
    return f"{number:.{0 if row['unit'] == 'B' else 1}f} {row['unit']}"


def lines(table: list[tuple[str, ...]]) -> str:
    """A table in Markdown; the first is its head."""
    head, *rows = (f"| {' | '.join(cells)} |\n" for cells in table)
    return head + "|---" * len(table[0]) + "|\n" + "".join(rows)


def cells(name: str, row: dict[str, Any]) -> tuple[str, str, str]:
    """The name, what was reached, and the goal."""
    return name, figure(row, row["reached"]), f"{'≥' if row['at'] == 'least' else '≤'} {figure(row, row['goal'])}"


def machine(on: dict[str, str], language: int = 0) -> str:
    """Where and when it was measured."""
    versions = f"Linux {on['kernel']}, Python {on['python']}, Postfix {on['postfix']}"
    cores = (f"{on['cores']} cores ({on['cpu']})", f"{on['cores']} 核（{on['cpu']}）")[language]
    return f"{on['date']}, {cores}, {versions}"


def readme(told: dict[str, Any], language: int) -> str:
    """What a README has. `language`: 0 English, 1 Chinese."""
    by_name = {row["what"]: row for row in told["table"]}
    table: list[tuple[str, ...]] = [HEADS[language]]
    for what, names in FEW.items():
        name, reached, goal = cells(names[language], by_name[what])
        table.append((name, reached, goal if by_name[what]["met"] else f"{goal} (**✗**)"))
    return lines(table) + "\n" + UNDER[language].format(machine=machine(told["machine"], language)) + "\n"


def everything(told: dict[str, Any]) -> str:
    """What docs/bench.md has: also how far off a missed goal is."""
    table: list[tuple[str, ...]] = [("", "reached", "goal", "")]
    for row in told["table"]:
        verdict = "met" if row["met"] else f"**NOT MET**, by {row['off']:.0%}"
        table.append((*cells(row["what"], row), verdict))
    return f"{machine(told['machine'])}:\n\n" + lines(table)


def unfit(told: dict[str, Any]) -> list[str]:
    """Why this run is not for readers."""
    missing = FEW.keys() - {row["what"] for row in told["table"]}
    short = [
        f"the run had {name}={told['options'][name]}: for readers it should be {usual} or more"
        for name, usual in USUAL.items()
        if told["options"][name] < usual
    ]
    return [*told["wrong"], *short, *(f"the run has no {what!r}: it was not a whole one" for what in sorted(missing))]


def replaced(page: str, by: str) -> str:
    """The page with that between its two lines; ValueError where it hasn't just those."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in after:
        raise ValueError(f"a page has no single pair of {BEGIN.strip()} and {END.strip()}")
    return before + BEGIN + by + END + after


def read(path: Path) -> dict[str, Any]:
    """The figures of a run; SystemExit where it has none, or those of an older bench."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SystemExit(f"{path}: {error.strerror}; `make bench` writes it") from None
    except ValueError as error:
        raise SystemExit(f"{path} is no JSON ({error}); `make bench` writes it anew") from None
    if not isinstance(told, dict) or not {"machine", "options", "table", "wrong"} <= told.keys():
        raise SystemExit(f"{path} is not of this bench, or of an older one; `make bench` writes it anew")
    return told


def main() -> None:
    told = read(Path(sys.argv[1] if len(sys.argv) > 1 else "build/bench.json"))
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
