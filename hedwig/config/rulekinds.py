"""Kinds of values in replies.yml. As in kinds.py; pure.

A pattern is tried on what any receiver says, in the event loop: one that could take long over some text would hold up
all mail (I9). Python's engine backtracks, so what it may do is counted beforehand: each part that may be longer or
shorter multiplies the ways there are, and a repeated group is refused.
"""

import re

from hedwig import moments
from hedwig.classify.said import reply_of
from hedwig.config.problem import Unfit, shown
from hedwig.config.ways import one_of
from hedwig.reply import Stage
from hedwig.settings.replies import TIMED, About, Action, Step

MOST_WAIT = 7 * 86400
_MOST_WAYS = 10_000  # by about 100 ns for each place in a reply where a pattern may begin: a tenth of a second at worst
_UNBOUNDED = 1000
_WIRE = (Stage.BANNER, Stage.EHLO, Stage.STARTTLS, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT)
_CODE = re.compile(r"[45](?:[0-9][0-9]|[0-9]z|yz)")
_STATUS = re.compile(r"([45x])\.([0-9]{1,3}|x)\.([0-9]{1,3}(?:-[0-9]{1,3})?|x)")
_PARTS = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?(?:[:=!]|<[=!])|\(\??|\)|[*+?][?+]?|\{[0-9]*,?[0-9]*\}[?+]?|.", re.DOTALL
)
_BRACES = re.compile(r"\{([0-9]*)(,?)([0-9]*)\}")

scope = one_of(About)


def stage(text: str) -> Stage:
    """A stage at which a receiver replies."""
    found = next((each for each in _WIRE if each.value == text), None)
    if found is None:
        raise Unfit(f"{shown(text)} is no stage", f"write {', '.join(_WIRE[:-1])} or {_WIRE[-1]}")
    return found


def code(text: str) -> str:
    """A reply code, or several of one kind."""
    if not _CODE.fullmatch(text):
        raise Unfit(f"{shown(text)} is no code of a refusal", "write it like 421, 55z, 4yz or 5yz")
    return text


def status(text: str) -> str:
    """An enhanced status code, or several."""
    found = _STATUS.fullmatch(text)
    if not found:
        raise Unfit(f"{shown(text)} is no enhanced status code", "write it like 5.1.1, x.7.26, 5.7.x or 4.7.500-699")
    first, dash, last = found[3].partition("-")
    if dash and int(first) >= int(last):
        raise Unfit(f"{shown(text)} ends before it begins", "write the smaller number first")
    return text


def phrase(text: str) -> str:
    """Words that a reply may have."""
    if not text.isprintable() or len(text.strip()) < 3:
        raise Unfit(f"{shown(text)} is too short to say anything", "write some words of the reply, on one line")
    return text


def step(text: str) -> Step:
    """An action, perhaps with a duration."""
    word, _, duration = text.partition(" ")
    known = [action.value for action in Action]
    if word not in known:
        raise Unfit(f"{shown(text)} is no action", f"write {', '.join(known[:-1])} or {known[-1]}")
    action = Action(word)
    if not duration:
        if action is Action.BACK_OFF:
            raise Unfit("back-off needs to know for how long", "write it like back-off 1h")
        return Step(action)
    seconds = moments.duration(duration.strip())
    if action not in TIMED:
        raise Unfit(f"{action.value} has no duration", f"write {action.value} alone")
    if not seconds or seconds > MOST_WAIT:
        raise Unfit(f"{shown(duration)} is no duration up to 7d", f"write it like {action.value} 1h or 30m")
    return Step(action, seconds)


def page_or_none(text: str) -> str:
    """A web page, or ""."""
    if text and not re.fullmatch(r"https?://[!-~]{3,300}", text):
        raise Unfit(f"{shown(text)} is no page", "write it like https://example.com/help")
    return text


def example(text: str) -> str:
    """A reply, as it would come."""
    reply = reply_of(text) if text.isprintable() else None
    if reply is None or reply.code < 400:
        raise Unfit("this is no refusal", "write it with its code in front, like 550 5.1.1 no such user")
    return text


def pattern(text: str) -> str:
    """A regular expression that can't take long."""
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise Unfit(f"this is no regular expression: {error}", "write it as Python's `re` has them") from None
    if not text.isprintable() or len(text) > 500:
        raise Unfit("it is too long, or has a control character in it", "write up to 500 characters on one line")
    if re.search("[A-Z]", re.sub(r"\\.", "", text)):
        raise Unfit(
            "it has capital letters, and can't ever be found", "write it in small letters, as the reply is then"
        )
    ways, before = 1, ""
    for part in _PARTS.findall(text):
        least, most = _times(part)
        if part == "(?" or re.fullmatch(r"\\[1-9]", part):
            raise Unfit("it names a group, sets a flag or refers back", "write (?:…) for a group, and nothing of these")
        if most > 1 and before == ")":
            raise Unfit("it repeats a group, and that may take very long", "repeat single characters alone")
        ways *= most - least + 1
        before = part
    if ways > _MOST_WAYS:
        right = "have one * or + at the most, and bound the others: {0,40}"
        raise Unfit("it has so many ways to fit that it may take very long", right)
    return text


def _times(part: str) -> tuple[int, int]:
    """How often a quantifier has what stands before it, at the least and at the most; (1, 1) for what is none."""
    if part[0] in "*+?":
        return int(part[0] == "+"), 1 if part[0] == "?" else _UNBOUNDED
    found = _BRACES.match(part)
    if not found or not (found[1] or found[3]):
        return 1, 1
    least = int(found[1] or 0)
    return least, int(found[3]) if found[3] else least + _UNBOUNDED if found[2] else least
