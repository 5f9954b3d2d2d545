"""Configuration files that are broken, closed or hold secrets: what is said, and what never is."""

import os

import pytest

from hedwig import config

KEY = "4cd9zNwSXvksxw_mLdg9e-wpptnYMmAsvli9CaQJJxo"
MAILMAN = f"fqdn: less.nankai.edu.cn\npostoffice: http://127.0.0.1:8025/\nkey: {KEY}\n"


def problems(load, path, text):
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(config.ConfigError) as caught:
        load(path)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return caught.value.problems


@pytest.fixture
def mailman(tmp_path):
    return tmp_path / "mailman.yml"


# What is no YAML, or more than a configuration file may hold; (bytes, line, what is said)
BROKEN = [
    (b"fqdn: a\n\tkey: b\n", 2, "tab"),
    (b"fqdn: a\nkey\npostoffice: x\n", 2, "no colon"),
    (b"fqdn: a: b\n", 1, "second `: `"),
    (b"fqdn: a\n  key: b\n", 2, "indented"),
    (b'fqdn: "a\nkey: b\n', 1, "not closed"),
    (b"a: [b\nc: d\n", 1, "[ is not closed"),
    (b"a: {b: c\n", 1, "{ is not closed"),
    (b"listen: [::1]:25\n", 1, '"[::1]:25"'),
    (b"key: @secret\n", 1, "quotes"),
    (b"a: 1\n---\nb: 2\n", 2, "second document"),
    (b"a: &b 1\n", 1, "quotes"),
    (b"key: *secret\n", 1, "quotes"),
    (b"key: !secret\n", 1, "quotes"),
    (b"key: !!python/object/apply:os.system [id]\n", 1, "quotes"),
    (b"- a\n- b\n", 1, "key: value"),
    (b"just words\n", 1, "key: value"),
    (b"a: 1\nb: \xff\n", 2, "UTF-8"),
    ("fqdn: a\n".encode("utf-16"), 1, "UTF-8"),
    (b"a: 1\nb: \x00\n", 2, "control character"),
    (b"a: 1\nb: \x1b[31m\n", 2, "control character"),
    (b"[" * 100_000, 1, "nested too deep"),
    (b"#" * (1 << 21), 0, "1 MiB"),
    (b"%YAML 2.0\n---\na: 1\n", 1, "YAML"),
]


@pytest.mark.parametrize(("content", "line", "said"), BROKEN, ids=[repr(row[0][:25]) for row in BROKEN])
def test_a_broken_file_is_explained(mailman, content, line, said):
    found = problems(config.load_mailman, mailman, content)
    assert len(found) == 1
    assert found[0].line == line
    assert said in str(found[0])
    assert "secret" not in str(found[0])


def test_an_alias_bomb_does_not_unfold(mailman):
    """The "billion laughs": nine lines that stand for gigabytes."""
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{one}: &{one} [{','.join([f'*{before}'] * 9)}]\n" for before, one in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert problems(config.load_mailman, mailman, bomb)[0].line == 1


def test_a_missing_file_and_a_directory_are_explained(tmp_path):
    for path, said in ((tmp_path / "none.yml", "no such file"), (tmp_path, "directory"), ("a\0b", "null byte")):
        with pytest.raises(config.ConfigError, match=said):
            config.load_worker(path)


def test_secrets_never_appear_in_errors_or_repr(mailman):
    """Not under their own key, and not where a slip of the hand has put them."""
    slips = [
        MAILMAN.replace("fqdn: ", "fqdn: x"),
        f"fqdn: {KEY}\npostoffice: http://p/{KEY}?x\nkey: less.nankai.edu.cn {KEY}\n",
        f"postoffice: {KEY}\nfqdn: a\n{KEY}: key\n",
        f"key={KEY}\n",
        f"fqdn: a\n  key {KEY}\npostoffice: http://p/\n",
        f"fqdn: a\nkey {KEY}\npostoffice: http://p/\n",
        f"key: [{KEY}]\nlisten: {KEY}\nmax_size: {KEY}\nallow: {KEY}\nspool: {KEY}\ndebug: {KEY}\n",
        f"{KEY}: 1\n{KEY}: 2\n",
        f"key: '{KEY}\n",
        f"key: {KEY}:\n",
        f"key: *{KEY}\n",
        f"postoffice: http://user:{KEY}@p:port/\n",
    ]
    for text in slips[1:]:
        assert KEY[:16] not in "\n".join(map(str, problems(config.load_mailman, mailman, text))), text
    mailman.write_text(MAILMAN)
    assert KEY[:16] not in repr(config.load_mailman(mailman))


def test_errors_carry_no_control_characters(mailman):
    """I11: neither a file's text nor its name reaches the terminal uninterpreted."""
    found = problems(config.load_mailman, mailman, MAILMAN + 'debug: "\\e[31m\\u202e\\n"\nallow: "\\u2028"\n')
    assert len(found) == 2
    assert all(str(one).isprintable() for one in found)
    strange = mailman.with_name("a\nb\x1b.yml")
    assert str(problems(config.load_worker, strange, "a: 1")[0]).isprintable()


def test_a_key_that_everybody_can_read_is_warned_about(mailman):
    mailman.write_text(MAILMAN)
    mailman.chmod(0o644)
    (warning,) = config.warnings(mailman)
    assert f"chmod o-rwx {mailman}" in str(warning)
    assert KEY not in str(warning)
    mailman.chmod(0o640)
    assert config.warnings(mailman) == []
    mailman.write_text("# no key: in here\n")
    mailman.chmod(0o644)
    assert config.warnings(mailman) == []
    assert config.warnings(mailman.with_name("none.yml")) == []


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("webhook:\n  url: https://h.example/\n  secret: tell-nobody\n", True),
        ("webhook: {url: https://h.example/, secret: tell-nobody}\n", True),
        ("webhook:\n  url: https://h.example/\n  secret_file: /run/cred/x\n  # secret: none\n", False),
        ("repeat: 1h\n", False),
    ],
)
def test_a_webhooks_secret_that_mailman_can_read_is_warned_of(tmp_path, text, has):
    """Where mailman runs, and the secret stands in the file itself; the mend is one that hedwig-alerts alone gets."""
    file = tmp_path / "alerts.yml"
    file.write_text(text)
    file.chmod(0o640)
    assert config.load_alerts(file)
    assert config.warnings(file) == []
    (tmp_path / "mailman.yml").write_text("")
    told = [str(one) for one in config.warnings(file)]
    assert len(told) == has
    assert all("mailman, which containers talk to" in one and "secret_file: /run/cred" in one for one in told)
    file.chmod(0o644)
    assert [f"chmod o-rwx {file}" in str(one) for one in config.warnings(file)] == [True, False] * has
    assert not any("tell-nobody" in str(one) for one in config.warnings(file))


def test_an_unreadable_file_is_explained(mailman):
    """As an ordinary user: root reads everything."""
    mailman.write_text(MAILMAN)
    mailman.chmod(0)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if os.geteuid() == 0:
                os.chmod(mailman.parent, 0o755)
                os.setuid(65534)
            config.load_mailman(mailman)
        except config.ConfigError as error:
            code = 0 if "no permission" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
