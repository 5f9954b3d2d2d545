"""What any reply may say in its text, whoever says it: an enhanced status, how long to wait, where it is explained.

All of these look at a bounded part of the text, and their expressions can't run away on it (I9): they are asked for
each refusal, in the event loop.
"""

import re

from hedwig.reply import Reply

LEAST_WAIT = 30.0  # seconds, and
MOST_WAIT = 86400.0  # at the most, whatever a reply asks for
MOST_URL = 300
_LOOKED_AT = 600  # characters

# Behind punctuation, or behind the code said twice; or as qmail says it, "(#5.1.1)" anywhere.
_AT_START = re.compile(r"""[\s'"<(\[:-]*(?:[45]\d\d[ -])?[#'"<(\[]{0,3}([45])\.(\d{1,3})\.(\d{1,3})(?![\d.])""")
_QMAIL = re.compile(r"#([45])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_WAIT = re.compile(
    r"\b(?:again|retry|wait|back|later|after|[dr]e?layed|gr[ea]y-?list\w{0,5}|blocked|suspended|deferred)\b[^0-9]{0,30}"
    r"(?:(\d\d):(\d\d):(\d\d)|(\d{1,5}) ?(s|m|h|d)(?:ec|in|r|ay|econd|inute|our)?s?)\b"
)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_URL = re.compile(r"https?://[!-~]{4,300}")
_CODE = re.compile(r"(?<![\w.=])([245][0-9]{2})(?:[ -]|\Z)")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|\Z)")
_NOT_ITS_END = ".,;:!?'\"()<>[]{}"


def status_of(reply: Reply) -> tuple[int, int, int] | None:
    """The enhanced status (RFC 3463) as numbers, also where it does not stand at the text's beginning as RFC 2034 wants
    it. One whose class contradicts the code is the receiver's slip, and none."""
    if reply.enhanced:
        return _numbers(*reply.enhanced.split("."))
    text = reply.text[:_LOOKED_AT]
    found = _AT_START.match(text) or _QMAIL.search(text)
    if found and int(found[1]) == reply.code // 100:
        return _numbers(found[1], found[2], found[3])
    return None


def _numbers(kind: str, subject: str, detail: str) -> tuple[int, int, int]:
    return int(kind), int(subject), int(detail)


def seconds_named(text: str) -> float:
    """For how long the reply asks to be left alone ("try again in 5 minutes"), in seconds within LEAST_WAIT and
    MOST_WAIT; 0 where it names no time. `text` in small letters."""
    found = _WAIT.search(text[:_LOOKED_AT])
    if not found:
        return 0.0
    hours, minutes, seconds, count, unit = found.groups()
    clock = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    wait = int(count) * _UNITS[unit] if count else clock
    return min(max(float(wait), LEAST_WAIT), MOST_WAIT) if wait else 0.0


def page_named(text: str) -> str:
    """The address of a page that the reply names, http or https, "" for none."""
    found = _URL.search(text)
    return found[0].rstrip(_NOT_ITS_END) if found else ""


def reply_of(text: str) -> Reply | None:
    """A reply as people copy it, from a log or a bounce, in one line or several: what stands before its code is none of
    it. None where there is no code. For people's input alone; what comes over the wire is read by hedwig.smtp."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    found = _CODE.search(lines[0])
    if not found:
        return None
    first = lines[0][found.end() :].strip()
    status = _STATUS.match(first)
    rest = []
    for line in lines[1:]:
        same = line.removeprefix(found[1]).lstrip(" -") if line[3:4] in " -" else line
        rest.append(same.removeprefix(status[0]).lstrip() if status else same)
    return Reply.parse(int(found[1]), " ".join([first, *rest]))
