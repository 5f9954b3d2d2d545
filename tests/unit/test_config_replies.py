"""replies.yml is read strictly: every fault with its line, its key and what would be right; what is in it works."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hedwig import config
from hedwig.classify.said import reply_of
from hedwig.classify.table import Table
from hedwig.config.replies import load_rules, own_file
from hedwig.reply import Stage
from hedwig.settings import SITES, ReplyRule
from hedwig.settings.replies import About, Action, Step

SHIPPED = load_rules(None, SITES)
Load = Callable[[str], dict[str, ReplyRule]]
Faults = Callable[[str], list[tuple[int, str, str]]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Rules of a replies.yml beside an empty worker.yml."""
    (tmp_path / "worker.yml").write_text("")

    def load(text: str) -> dict[str, ReplyRule]:
        (tmp_path / "replies.yml").write_text(text)
        return config.load_delivery(tmp_path / "worker.yml").rules

    return load


@pytest.fixture
def faults(load: Load) -> Faults:
    def faults(text: str) -> list[tuple[int, str, str]]:
        with pytest.raises(config.ConfigError) as caught:
            load(text)
        assert {Path(one.file).name for one in caught.value.problems} == {"replies.yml"}
        assert all(one.right for one in caught.value.problems)
        return [(one.line, one.key, one.wrong) for one in caught.value.problems]

    return faults


def test_without_a_file_the_shipped_rules_hold(tmp_path: Path) -> None:
    (tmp_path / "worker.yml").write_text("")
    assert config.load_delivery(tmp_path / "worker.yml").rules == SHIPPED
    assert config.load_worker(tmp_path / "worker.yml").rules == {}


def test_a_rule_of_the_admins_goes_before_the_shipped_ones(load: Load) -> None:
    text = """
rules:
  campus-full:
    text: [User Unknown, 'tonight, no mail']
    code: 5yz
    stage: [rcpt]
    class: evening
    scope: recipient
    action: [retry 30m, alert]
    help: https://mail.campus.example/help
    example: 550 5.1.1 user unknown
"""
    rules = load(text)
    assert list(rules) == ["campus-full", *SHIPPED]
    assert rules["campus-full"] == ReplyRule(
        stage=(Stage.RCPT,),
        code=("5yz",),
        text=("User Unknown", "tonight, no mail"),
        class_="evening",
        scope=About.RECIPIENT,
        action=(Step(Action.RETRY, 1800), Step(Action.ALERT)),
        help="https://mail.campus.example/help",
        example="550 5.1.1 user unknown",
    )
    ruling = Table(rules).ruling("", Stage.RCPT, reply_of("550 5.1.1 TONIGHT,  no mail"))
    assert (ruling.rule, ruling.seconds, ruling.alert) == ("campus-full", 1800.0, True)


def test_a_shipped_rule_changes_in_the_keys_that_are_named_and_keeps_its_place(load: Load) -> None:
    rules = load("rules:\n  qq-frequency: {action: [back-off 2h]}\n")
    assert list(rules) == list(SHIPPED)
    assert rules["qq-frequency"].action == (Step(Action.BACK_OFF, 7200),)
    assert rules["qq-frequency"].text == SHIPPED["qq-frequency"].text
    assert {name: rule for name, rule in rules.items() if name != "qq-frequency"} == {
        name: rule for name, rule in SHIPPED.items() if name != "qq-frequency"
    }


def test_the_setting_names_another_file(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.yml"
    elsewhere.write_text("rules:\n  mine: {text: [hello there], class: mine}\n")
    (tmp_path / "worker.yml").write_text(f"replies: {elsewhere}\n")
    assert "mine" in config.load_delivery(tmp_path / "worker.yml").rules
    elsewhere.unlink()
    with pytest.raises(config.ConfigError, match="there is no such file"):
        config.load_delivery(tmp_path / "worker.yml")
    assert own_file(tmp_path / "worker.yml", "") is None


def test_a_rule_may_be_for_a_site_of_the_admins(tmp_path: Path) -> None:
    (tmp_path / "worker.yml").write_text("sites:\n  campus: {mx: [.campus.example]}\n")
    (tmp_path / "replies.yml").write_text("rules:\n  r: {provider: [campus], code: [421], class: busy}\n")
    assert config.load_delivery(tmp_path / "worker.yml").rules["r"].provider == ("campus",)


def rule(**keys: str) -> str:
    """A file with one rule, which has these keys and what a rule needs besides; the first key stands in line 3."""
    all_keys = keys | {
        key: value for key, value in {"class_": "rate", "text": "[slow down]"}.items() if key not in keys
    }
    lines = [f"    {key.rstrip('_')}: {value}" for key, value in all_keys.items() if value]
    return "rules:\n  mine:\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "line", "key", "wrong"),
    [
        (rule(txet="[x y z]"), 3, "txet", "unknown key"),
        (rule(action="[explode]"), 3, "action", "'explode' is no action"),
        (rule(action="[back-off]"), 3, "action", "back-off needs to know for how long"),
        (rule(action="[fail 3h]"), 3, "action", "fail has no duration"),
        (rule(action="[retry soon]"), 3, "action", "'soon' is no duration up to 7d"),
        (rule(action="[retry 8d]"), 3, "action", "'8d' is no duration up to 7d"),
        (rule(action="[fail, hold]"), 3, "action", "fail and hold can't both be done"),
        (rule(action="[retry 1h, suppress]"), 3, "action", "suppress is for what fails, and retry does not"),
        (rule(scope="everybody"), 3, "scope", "'everybody' is none of them"),
        (rule(stage="[quit]"), 3, "stage", "'quit' is no stage"),
        (rule(code="[250]"), 3, "code", "'250' is no code of a refusal"),
        (rule(code="[4xx]"), 3, "code", "'4xx' is no code of a refusal"),
        (rule(status="[2.1.5]"), 3, "status", "'2.1.5' is no enhanced status code"),
        (rule(status="[5.7.9-3]"), 3, "status", "'5.7.9-3' ends before it begins"),
        (rule(text="[no]"), 3, "text", "'no' is too short to say anything"),
        (rule(pattern="'a**'"), 3, "pattern", "this is no regular expression: multiple repeat at position 2"),
        (rule(pattern="Too Many"), 3, "pattern", "it has capital letters, and can't ever be found"),
        (rule(pattern="'(?:a+)+b'"), 3, "pattern", "it repeats a group, and that may take very long"),
        (rule(pattern="'a.*b.*c'"), 3, "pattern", "it has so many ways to fit that it may take very long"),
        (rule(pattern="'(a)\\1'"), 3, "pattern", "it names a group, sets a flag or refers back"),
        (rule(help="ask me"), 3, "help", "'ask me' is no page"),
        (rule(example="250 fine"), 3, "example", "this is no refusal"),
        (rule(example="450 hurry up"), 3, "example", "this rule is not for it"),
        (rule(class_="''"), 2, "", "it has no class"),
        (rule(text="", code="[421]"), 2, "", "it would be for every reply"),
        (rule(native="[gmail]"), 3, "native", "there is no 'gmail' in sites of worker.yml"),
        (rule(provider="[gmail]"), 3, "provider", "there is no 'gmail' in sites of worker.yml"),
        ("rules:\n  My Rule: {text: [slow down], class: rate}\n", 2, "rules", "'My Rule' is not a name"),
        ("rules:\n  mine: fail\n", 2, "", "has no keys of its own"),
        ("ruels: {}\n", 1, "ruels", "unknown key"),
    ],
)
def test_faults(faults: Faults, text: str, line: int, key: str, wrong: str) -> None:
    [(at, name, said)] = faults(text)
    assert (at, said) == (line, wrong)
    assert name in (key, "rules.mine" + (f".{key}" if key else ""))


def test_all_faults_at_once(faults: Faults) -> None:
    text = "rules:\n  one: {action: [explode]}\n  two: {stage: [quit], provider: [gmail]}\n  two: {}\n  three: {}\n"
    assert [(line, key) for line, key, _ in faults(text)] == [
        (2, "rules.one.action"),
        (3, "rules.two.stage"),
        (3, "rules.two.provider"),
        (4, "rules.two"),
        (5, "rules.three"),
        (5, "rules.three"),
    ]


def told(folder: Path) -> list[tuple[str, int, str]]:
    with pytest.raises(config.ConfigError) as caught:
        config.load_delivery(folder / "worker.yml")
    return [(Path(one.file).name, one.line, one.key) for one in caught.value.problems]


def test_faults_of_worker_yml_and_of_the_keys_hide_none_of_these(tmp_path: Path) -> None:
    """Every fault of every file at once; and a site with a fault is a site all the same."""
    (tmp_path / "worker.yml").write_text("debug: yes\nsites:\n  campus: {mx: [a b]}\n  other: 5\n")
    (tmp_path / "replies.yml").write_text("""\
rules:
  one: {provider: [campus, other, campsu], text: [slow down], class: rate}
""")
    (tmp_path / "dkim").mkdir()
    (tmp_path / "dkim" / "stray").touch()
    assert told(tmp_path) == [
        ("worker.yml", 1, "debug"),
        ("worker.yml", 3, "sites.campus.mx"),
        ("worker.yml", 3, "sites.campus"),
        ("worker.yml", 4, "sites.other"),
        ("replies.yml", 2, "rules.one.provider"),
        ("stray", 0, ""),
    ]


@pytest.mark.parametrize("broken", ["\tsites: {}\n", "", None])
def test_where_no_site_can_be_known_any_may_be_right(tmp_path: Path, broken: str | None) -> None:
    if broken is not None:
        (tmp_path / "worker.yml").write_text(broken)
    (tmp_path / "replies.yml").write_text("rules:\n  one: {provider: [campus], txet: [x y z], code: [421], class: c}\n")
    worker = [("worker.yml", 1 if broken else 0, "")] if broken != "" else []
    unknown = [] if worker else [("replies.yml", 2, "rules.one.provider")]
    assert told(tmp_path) == [*worker, ("replies.yml", 2, "rules.one.txet"), *unknown]
    (tmp_path / "replies.yml").write_text("rules:\n  one: {provider: [campus], code: [421], class: c}\n")
    assert told(tmp_path) == worker + unknown


def test_another_file_that_can_not_be_known_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "worker.yml").write_text("replies: mine.yml\n")
    (tmp_path / "replies.yml").write_text("not: ours\n")
    assert told(tmp_path) == [("worker.yml", 1, "replies")]


def test_a_rule_that_another_one_hides_is_a_fault(faults: Faults) -> None:
    text = """
rules:
  broad: {text: [user], class: broad}
  narrow: {text: [user unknown], class: narrow, example: 550 user unknown}
"""
    [(line, key, wrong)] = faults(text)
    assert (line, key) == (4, "rules.narrow.example")
    assert wrong == "broad is asked first, and is for it"


def test_near_misses_are_named(load: Load) -> None:
    with pytest.raises(config.ConfigError, match="did you mean google"):
        load(rule(provider="[googel]"))
    with pytest.raises(config.ConfigError, match="did you mean action"):
        load(rule(acton="[fail]"))


@pytest.mark.parametrize(
    "pattern",
    [r"\bspam\b", "a.*b", "(?:a|b)?c", "a{3}", "a{0,40}b{0,40}", r"[^\]]x", "(?!a)b", r"\S+ \d\d", r"a\{b", "a[+*]{2}"],
)
def test_patterns_that_are_fine(load: Load, pattern: str) -> None:
    assert load(rule(pattern=f"'{pattern}'"))["mine"].pattern == pattern


@pytest.mark.parametrize(
    "text", ["rules:\n\tx: 1\n", "rules: [a, b]\n", "rules: &a {}\nother: *a\n", "rules:\n  a: !x {}\n", "{", "- a\n"]
)
def test_what_is_no_such_file(load: Load, text: str) -> None:
    """In our words, though libyaml reads it first."""
    with pytest.raises(config.ConfigError) as caught:
        load(text)
    assert all(problem.line for problem in caught.value.problems)
