"""README.md as what it asks a reader to do: its blocks of code, under the headings they stand under.

The Chinese page is laid out as the English one is, and shows the same commands; remarks behind a `#` are translated.
"""

import re
from dataclasses import dataclass
from pathlib import Path

PAGES = ("README.md", "README.zh-CN.md")
INSTALL = 2  # the second `##` of either page
_TREE = Path(__file__).parents[2]
_PART = re.compile(r"^(##+) ([^\n]+)$|^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Lines of code under a heading of the third level ("": under none yet). `language` is "sh", "text" or "yaml"."""

    heading: str
    language: str
    text: str

    def commands(self) -> list[str]:
        """Its lines without remarks."""
        return [line for line in (re.sub(r"(^|\s+)#.*", "", line) for line in self.text.splitlines()) if line]


def blocks(page: str, section: int = INSTALL) -> list[Block]:
    """All blocks of the nth section (the nth `##`) of a page, in their order."""
    found, number, heading = [], 0, ""
    for level, title, language, text in _PART.findall((_TREE / page).read_text("utf-8")):
        if language:
            if number == section:
                found.append(Block(heading, language, text))
        elif level == "##":
            number, heading = number + 1, ""
        else:
            heading = title
    return found


def under(heading: str) -> list[Block]:
    """README.md's blocks under this heading of its install section. There is at least one."""
    found = [block for block in blocks(PAGES[0]) if block.heading.startswith(heading)]
    assert found, f"README.md has nothing to type under `### {heading}...`"
    return found
