"""The table of replies: rules of replies.yml made ready to be asked, and the ruling on a reply.

The rules are asked in their order, and the first that is for the reply decides. Who delivers asks for each refusal, in
the event loop, so that it must be cheap: a 2yz is never looked up; for each provider and first digit there is a list of
the rules that can be for it; of these only such are asked whose phrases begin with a word that the reply has; and a
rule looks first at what costs least (stage, code, status), then for its words, and only then for its pattern. With all
shipped rules that takes some twenty microseconds.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hedwig.classify import UNRULED, Ruling
from hedwig.classify.said import page_named, seconds_named, status_of
from hedwig.reply import Reply, Stage
from hedwig.settings.replies import ALARMING, DECISIONS, TIMED, About, Action, ReplyRule

LOOKED_AT = 1000  # characters of a reply, at the most
_WORDS = re.compile(r"[a-z0-9]+")
_WORD = re.compile(r"[^a-z0-9]*([a-z0-9]+)[^a-z0-9]")  # a phrase's first, where it is sure to end there
# An address is no word of the receiver's: <blacklist@example.com> says nothing of a blacklist.
_ADDRESS = re.compile(r"<[^<>\s@]*@[^<>\s]*>|(?<![^\s<>()\[\],;:\"'])[^\s<>()\[\],;:\"'@]++@[^\s<>()\[\],;:\"']+")
_ANY = (0, 1 << 30)
_CUSTOMERS = frozenset({Stage.RCPT, Stage.DATA, Stage.DOT})

_Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule, ready. Each condition that is empty is none."""

    providers: frozenset[str]
    natives: frozenset[str]
    stages: frozenset[Stage]
    codes: tuple[_Range, ...]
    statuses: tuple[tuple[_Range, _Range, _Range], ...]
    words: tuple[str, ...]
    pattern: re.Pattern[str] | None
    ruling: Ruling
    timed: bool

    def may_be_for(self, provider: str, kind: int) -> bool:
        """Whether it can be for replies of this provider whose code begins with this digit."""
        codes = not self.codes or any(first // 100 <= kind <= last // 100 for first, last in self.codes)
        statuses = not self.statuses or any(first <= kind <= last for (first, last), _, _ in self.statuses)
        return codes and statuses and (not self.providers or provider in self.providers)

    def is_for(self, stage: Stage, code: int, status: tuple[int, int, int] | None, text: str) -> bool:
        """Whether all applies that it says. `text`: the whole reply in small letters, without addresses."""
        if self.stages and stage not in self.stages:
            return False
        if self.codes and not any(first <= code <= last for first, last in self.codes):
            return False
        if self.statuses and (status is None or not self._has(status)):
            return False
        if self.words and not any(map(text.__contains__, self.words)):
            return False
        return self.pattern is None or self.pattern.search(text) is not None

    def is_hearsay(self, provider: str, stage: Stage, code: int) -> bool:
        """Whether it may be one customer's word, for all that is known: of a receiver that has many, in words that
        anybody can write, at a stage where a customer's rules are asked. A 421, which shuts the channel, is never."""
        about_us = self.ruling.scope is About.ADDRESS and self.ruling.decision in ALARMING
        written = not (self.providers or self.statuses or provider in self.natives)
        return bool(provider) and about_us and written and code != 421 and stage in _CUSTOMERS

    def _has(self, status: tuple[int, int, int]) -> bool:
        kind, subject, detail = status
        for kinds, subjects, details in self.statuses:
            if (
                kinds[0] <= kind <= kinds[1]
                and subjects[0] <= subject <= subjects[1]
                and details[0] <= detail <= details[1]
            ):
                return True
        return False


class _Candidates:
    """The rules that can be for one provider and kind of reply, and which of them may be for a text."""

    def __init__(self, rules: Iterable[_Rule]) -> None:
        self._rules = tuple(rules)
        self._always: list[int] = []  # whatever the words are
        self._by_status: list[int] = []  # the same, but for replies with a status alone
        self._by_word: dict[str, list[int]] = {}
        for place, rule in enumerate(self._rules):
            words = [_WORD.match(phrase) for phrase in rule.words]
            if words and all(words):
                for word in {found[1] for found in words if found}:
                    self._by_word.setdefault(word, []).append(place)
            elif rule.statuses:
                self._by_status.append(place)
            else:
                self._always.append(place)

    def of(self, status: tuple[int, int, int] | None, text: str) -> Iterable[_Rule]:
        """In their order."""
        places = {*self._always, *(self._by_status if status else ())}
        for word in {*_WORDS.findall(text)} & self._by_word.keys():
            places.update(self._by_word[word])
        return map(self._rules.__getitem__, sorted(places))


class Table:
    """Rules by name, in the order in which they are asked."""

    def __init__(self, rules: Mapping[str, ReplyRule]) -> None:
        self._rules = [_ready(name, rule) for name, rule in rules.items()]
        self._candidates: dict[tuple[str, int], _Candidates] = {}

    @property
    def rulings(self) -> list[Ruling]:
        """What each rule says by itself, in their order."""
        return [rule.ruling for rule in self._rules]

    def ruling(self, provider: str, stage: Stage, reply: Reply | None) -> Ruling:
        """The ruling on a reply that `provider` (a name of worker.yml's `sites`, "" for one unknown) gave at `stage`.
        UNRULED where no rule is for it, and for whatever is no refusal. Never raises."""
        if reply is None or not 400 <= reply.code < 600 or stage in (Stage.LOCAL, Stage.DNS, Stage.QUIT):
            return UNRULED
        text = " ".join(_without_addresses(str(reply)[:LOOKED_AT].lower()).split())
        status = status_of(reply)
        for rule in self._for(provider, reply.code // 100).of(status, text):
            if rule.is_for(stage, reply.code, status, text):
                found = _with_words(rule, reply, text)
                return replace(found, hearsay=True) if rule.is_hearsay(provider, stage, reply.code) else found
        return UNRULED

    def _for(self, provider: str, kind: int) -> _Candidates:
        """The rules that can be for it. (Providers are few: the names of `sites`.)"""
        found = self._candidates.get((provider, kind))
        if found is None:
            found = _Candidates(rule for rule in self._rules if rule.may_be_for(provider, kind))
            self._candidates[provider, kind] = found
        return found


EMPTY = Table({})


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub("<>", text) if "@" in text else text


def _with_words(rule: _Rule, reply: Reply, text: str) -> Ruling:
    """The rule's ruling with what this reply itself names."""
    page = page_named(reply.text)
    wait = seconds_named(text) if rule.timed else 0.0
    if not (page or wait):
        return rule.ruling
    return replace(rule.ruling, help=page or rule.ruling.help, seconds=wait or rule.ruling.seconds, named=wait > 0)


def _ready(name: str, rule: ReplyRule) -> _Rule:
    actions = {step.action: float(step.seconds) for step in rule.action}
    decision = next((action for action in actions if action in DECISIONS), None)
    ruling = Ruling(
        rule=name,
        meaning=rule.class_,
        scope=rule.scope,
        decision=decision,
        seconds=actions[decision] if decision else 0.0,
        alert=Action.ALERT in actions or decision in ALARMING,
        suppress=Action.SUPPRESS in actions,
        one_connection=Action.ONE_CONNECTION in actions,
        help=rule.help,
        own=bool(rule.provider),
    )
    return _Rule(
        providers=frozenset(rule.provider),
        natives=frozenset(rule.native),
        stages=frozenset(rule.stage),
        codes=tuple(_codes(code) for code in rule.code),
        statuses=tuple(_status(status) for status in rule.status),
        words=tuple(" ".join(words.lower().split()) for words in rule.text),
        pattern=re.compile(rule.pattern) if rule.pattern else None,
        ruling=ruling,
        timed=decision in TIMED,
    )


def _codes(code: str) -> _Range:
    """(421, 421) of "421", (400, 499) of "4yz", (550, 559) of "55z"."""
    return int(re.sub("[yz]", "0", code)), int(re.sub("[yz]", "9", code))


def _status(status: str) -> tuple[_Range, _Range, _Range]:
    kind, subject, detail = (_part(part) for part in status.split("."))
    return kind, subject, detail


def _part(part: str) -> _Range:
    """Of one number, of "606-649", or of "x", which is any."""
    first, dash, last = part.partition("-")
    return _ANY if part == "x" else (int(first), int(last if dash else first))
