"""What `make run` shows: plain lines, in colour where a person reads them on a terminal (and NO_COLOR is not set)."""

import os
import re
import sys

# A daemon's own clock and name (hedwig/log.py), which stand in columns of their own here.
_PREFIX = re.compile(r"\A\d{4}-\d\d-\d\dT[\d:.+-]+ \S+ ")
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def styled(style: str, text: str) -> str:
    """`text` in a style, or as it is where there are no colours."""
    return f"\033[{_STYLES[style]}m{text}\033[0m" if _COLOURED else text


def say(text: str = "") -> None:
    """A line at once, whatever stdout is."""
    print(text, flush=True)


def title(text: str) -> None:
    """A heading with an empty line above it."""
    say()
    say(styled("bold", text))


def started(name: str, what: str) -> None:
    """One part is ready."""
    say(f"  {styled('green', '*')} {name:<11} {what}")


def step(seconds: float, part: str, text: str) -> None:
    """A line of the journey: when, counted from its beginning; where; what."""
    text = _PREFIX.sub("", text)
    say(f"  {styled('dim', f'{seconds * 1000:8.0f} ms')}  {styled('cyan', f'{part:<11}')} {text}")


def failure(text: str) -> None:
    """Why it did not work, to stderr."""
    print(f"\n{styled('red', 'make run failed:')} {text}", file=sys.stderr, flush=True)
