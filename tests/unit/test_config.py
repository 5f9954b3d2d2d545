"""Configuration files: what is taken, and what is said about what isn't."""

import re
from dataclasses import replace

import pytest

from hedwig import config, settings
from hedwig.settings import Listen

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


def test_three_lines_suffice_for_mailman(mailman):
    mailman.write_text(MAILMAN)
    loaded = config.load_mailman(mailman)
    assert loaded == settings.Mailman(fqdn="less.nankai.edu.cn", postoffice="http://127.0.0.1:8025/", key=KEY)
    assert loaded.max_size == 30 << 20
    assert config.load_mailman(str(mailman)) == loaded


def test_an_empty_file_means_the_defaults(tmp_path):
    """Nothing, only comments, a bare `---`: postoffice and worker need no key at all."""
    file = tmp_path / "any.yml"
    for text in ("", "# nothing\n", "---\n", "\ufeff"):
        file.write_text(text)
        assert config.load_postoffice(file) == settings.Postoffice()
        assert config.load_worker(file) == settings.Worker()


def test_every_kind_of_value(tmp_path, mailman):
    mailman.write_text(
        MAILMAN
        + """\
listen: [docker0:25, "[::1]:2525", 0.0.0.0:26]
allow: [loopback, 10.0.0.0/8, "fd00::/8", 192.0.2.7]
max_size: 25M
spool_limit: 1048576
idle_timeout: 90
expire: 1d12h
max_recipients: 50
ca_file: /etc/ssl/our-ca.pem
debug: true
"""
    )
    loaded = config.load_mailman(mailman)
    assert loaded.listen == (Listen("docker0", 25), Listen("::1", 2525), Listen("0.0.0.0", 26))
    assert loaded.allow == ("loopback", "10.0.0.0/8", "fd00::/8", "192.0.2.7")
    assert (loaded.max_size, loaded.spool_limit) == (25 << 20, 1 << 20)
    assert (loaded.idle_timeout, loaded.expire, loaded.max_recipients) == (90, 129600, 50)
    assert loaded.ca_file == "/etc/ssl/our-ca.pem"
    assert loaded.debug is True
    worker = tmp_path / "worker.yml"
    worker.write_text(
        """\
queue: beanstalk://127.0.0.1:11300
ehlo: "[IPv6:2001:db8::1]"
dns:
  nameservers: ["127.0.0.1", "::1"]
  port: 5353
refuse: []
retry: {schedule: [1s, 2m], jitter: 12.5%, warn_after: 0}
"""
    )
    loaded = config.load_worker(worker)
    assert loaded.queue == "beanstalk://127.0.0.1:11300"
    assert loaded.ehlo == "[IPv6:2001:db8::1]"
    assert loaded.dns == settings.Dns(("127.0.0.1", "::1"), 5353)
    assert loaded.refuse == ()
    assert loaded.retry == replace(settings.Retry(), schedule=(1, 120), jitter=0.125, warn_after=0)
    postoffice = tmp_path / "postoffice.yml"
    postoffice.write_text("listen: unix:/run/hedwig/http.sock\n")
    assert config.load_postoffice(postoffice).listen == (Listen("/run/hedwig/http.sock", 0),)


def test_yaml_does_not_turn_values_into_others(mailman):
    """YAML 1.1 would read 0123 as 83, `on` as True and 172.17.0.1:25 … as whatever: here the text counts."""
    mailman.write_text("fqdn: on\npostoffice: http://10.1.2.3\nkey: 0123\nlisten: docker0:25\n")
    loaded = config.load_mailman(mailman)
    assert (loaded.fqdn, loaded.key) == ("on", "0123")
    assert loaded.postoffice == "http://10.1.2.3/"
    assert loaded.listen == (Listen("docker0", 25),)


def test_all_faults_are_told_at_once_with_their_lines(mailman):
    found = problems(
        config.load_mailman,
        mailman,
        "max_sise: 3\nfqdn: a b\nlisten:\n  - 172.17.0.1\n  - docker0:25\n  - 1.2.3.4:99999\nschedule: 6m\nspool: v\n",
    )
    assert [(one.line, one.key) for one in found] == [
        (1, "max_sise"), (2, "fqdn"), (4, "listen"), (6, "listen"), (7, "schedule"), (8, "spool"),
    ]  # fmt: skip
    assert str(found[0]) == f"{mailman}:1: max_sise: unknown key; did you mean max_size?"
    assert found[2].right.startswith("write 172.17.0.1:25")
    assert found[4].right == "it belongs below retry: in worker.yml"


def test_what_is_missing_says_where_to_get_it(mailman):
    found = problems(config.load_mailman, mailman, "fqdn:\npostoffice: ~\nkey: null\n")
    assert [(one.line, one.wrong) for one in found] == [(1, "has no value"), (2, "has no value"), (3, "has no value")]
    assert all("`hedwig key add FQDN` on the postoffice host" in str(one) for one in found)


# (what a file says, what the error must name, what it must suggest)
WRONG = [
    ("max_size: 25", "max_size", "25 MiB"),
    ("max_size: 25 MB", "max_size", "25M"),
    ("max_size: -1", "max_size", "30 MiB"),
    ("max_size: 99999999T", "max_size", "larger"),
    ("max_size:", "max_size", "30 MiB"),
    ("idle_timeout: 12:30", "idle_timeout", "1h30m"),
    ("idle_timeout: 0", "idle_timeout", "at least 1s"),
    ("idle_timeout: 5min", "idle_timeout", "6m"),
    ("idle_timeout: 1.5h", "idle_timeout", "1h30m"),
    ("expire: 400d", "expire", "366 days"),
    ("connections: 1e3", "connections", "digits"),
    ("connections: 0", "connections", "from 1 on"),
    ("connections: " + "9" * 5000, "connections", "digits"),
    ("debug: yes", "debug", "true or false"),
    ("debug: True", "debug", "true or false"),
    ("debug: [true]", "debug", "single value"),
    ("spool: spool.db", "spool", "slash"),
    ('spool: "/var/x\\ny"', "spool", "slash"),
    ("ca_file: ca.pem", "ca_file", "slash"),
    ("listen: []", "listen", "default"),
    ("listen: 172.17.0.1", "listen", "172.17.0.1:25"),
    ("listen: localhost:25", "listen", "docker0:25"),
    ("listen: 172.17.0:25", "listen", "172.17.0.1:25"),
    ("listen: docker0:0", "listen", "65535"),
    ('listen: ":25"', "listen", "0.0.0.0"),
    ('listen: "*:25"', "listen", "0.0.0.0"),
    ('listen: "::1:25"', "listen", '"[::1]:25"'),
    ('listen: "[127.0.0.1]:25"', "listen", "[2001:db8::1]:25"),
    ('listen: "[fe80::1%eth0]:25"', "listen", "[2001:db8::1]:25"),
    ("listen: mail.example.com:25", "listen", "interface"),
    ("listen: unix:/run/x.sock", "listen", "docker0:25"),
    ("listen: 127.0.0.1:25, docker0:25", "listen", "[127.0.0.1:25, docker0:25]"),
    ("listen: [docker0:25, docker0:25]", "listen", "remove one"),
    ("listen: [[docker0:25]]", "listen", "quotes"),
    ("listen: {docker0: 25}", "listen", "quotes"),
    ("listen: [docker0:25, ]\nlisten: docker1:25", "listen", "keep one"),
    ("allow: 172.17.0.1/16", "allow", "172.17.0.0/16 for all of it, or 172.17.0.1 alone"),
    ("allow: dockers", "allow", "loopback, docker, 172.17.0.0/16"),
    ("allow: [this-host]", "allow", "docker"),
    ("allow: 172.17.0.0/255.0.0.255", "allow", "172.17.0.0/16"),
    ("allow: [~]", "allow", "quotes"),
    ("debug: {a: 1}", "debug", "single value"),
    ("<<: {debug: true}", "(a key)", "known here"),
    ("? [debug]\n: true", "", "word"),
]


@pytest.mark.parametrize(("line", "key", "right"), WRONG)
def test_a_wrong_value_is_named_and_mended(mailman, line, key, right):
    found = problems(config.load_mailman, mailman, MAILMAN + line + "\n")
    assert len(found) == 1, found
    assert found[0].key == key
    assert right in str(found[0])
    assert found[0].line == 4 + ("\nlisten" in line)


@pytest.mark.parametrize(
    ("text", "key", "right"),
    [
        ("fqdn: http://less.example.com/", "fqdn", "less.example.com"),
        ("fqdn: 192.0.2.1", "fqdn", "name"),
        ("fqdn: ../../etc/passwd", "fqdn", "less.example.com"),
        ("fqdn: -a.example", "fqdn", "less.example.com"),
        ("fqdn: " + "a." * 130 + "a", "fqdn", "less.example.com"),
        ("fqdn: 南开.cn", "fqdn", "xn--"),
        ("postoffice: robot.genee.cn", "postoffice", "http://192.0.2.1:8025/"),
        ("postoffice: ftp://robot.genee.cn", "postoffice", "http://"),
        ("postoffice: http://robot.genee.cn:99999/", "postoffice", "http://"),
        ("postoffice: http:///x", "postoffice", "http://"),
        ("postoffice: http://robot.genee.cn/?a=b", "postoffice", "http://"),
        ("postoffice: http://me:secret@robot.genee.cn/", "postoffice", "leave it out"),
        ("key: two words", "key", "hedwig key add FQDN"),
        ('key: ""', "key", "hedwig key add FQDN"),
        ("key: |\n  abc", "key", "hedwig key add FQDN"),
    ],
)
def test_the_three_required_keys_are_checked(mailman, text, key, right):
    lines = [line for line in MAILMAN.splitlines() if not line.startswith(key + ":")]
    found = problems(config.load_mailman, mailman, "\n".join([*lines, text]) + "\n")
    assert [(one.line, one.key) for one in found] == [(3, key)]
    assert right in found[0].right


@pytest.mark.parametrize(
    ("text", "key", "right"),
    [
        ("dns: 127.0.0.1", "dns", "below it"),
        ("dns:", "dns", "below it"),
        ("dns: {nameserver: 127.0.0.1}", "dns.nameserver", "nameservers"),
        ("dns: {nameservers: dns.example.com}", "dns.nameservers", "127.0.0.1"),
        ('dns: {nameservers: "127.0.0.1:53"}', "dns.nameservers", "without a port"),
        ("nameservers: 127.0.0.1", "nameservers", "below dns:"),
        ("retry: {schedule: []}", "retry.schedule", "default"),
        ("retry: {schedule: 6m 15m}", "retry.schedule", "1h30m"),
        ("retry: {schedule: 6m;15m}", "retry.schedule", "6m"),
        ("retry: {jitter: 0.2}", "retry.jitter", "20%"),
        ("retry: {jitter: 120%}", "retry.jitter", "100%"),
        ("queue: beanstalkd", "queue", "queue.sock"),
        ("queue: beanstalk://localhost:0", "queue", "11300"),
        ("queue: beanstalk://localhost:x", "queue", "11300"),
        ("queue: beanstalk:///", "queue", "11300"),
        ("queue: beanstalk://me@localhost", "queue", "11300"),
        ("queue: redis://localhost:6379", "queue", "beanstalk://"),
        ("ehlo: mail_host", "ehlo", "less.example.com"),
        ('ehlo: "[300.1.1.1]"', "ehlo", "192.0.2.1"),
        ("refuse: [docker]", "refuse", "this-host"),
        ("tls_report: {contact: nobody}", "tls_report.contact", "name@example.com"),
        ('tls_report: {contact: "a@[192.0.2.1]"}', "tls_report.contact", "name@example.com"),
        ("tls_report: {contact: 中@genee.cn}", "tls_report.contact", "name@example.com"),
        ('tls_report: {contact: "a@genee.cn\\r\\nBcc: b@genee.cn"}', "tls_report.contact", "name@example.com"),
        ("max_size: 3M", "max_size", "postoffice.yml"),
    ],
)
def test_worker_settings_are_checked(tmp_path, text, key, right):
    found = problems(config.load_worker, tmp_path / "worker.yml", text)
    assert [(one.line, one.key) for one in found] == [(1, key)]
    assert right in found[0].right


def test_every_kind_has_its_parser_and_back_again():
    """Each default of hedwig/settings, written as a file would say it, is read as the same value."""
    from hedwig.config.kinds import LISTS, SCALARS, written

    sections = (
        *(settings.Mailman, settings.Postoffice, settings.Worker, settings.Dns, settings.Retry, settings.Client),
        *(settings.SiteRule, settings.DomainRule, settings.Source, settings.Smarthost, settings.ClientRule),
        *(settings.ClientKey, settings.Quota),
    )
    checked = 0
    for one in (one for section in sections for one in section.__dataclass_fields__.values()):
        kind = one.metadata.get("kind")
        if not kind or one.metadata["pasted"] or kind == "hash":
            continue
        text = written(kind, one.default)
        if kind in LISTS:
            items = [item.strip('"') for item in re.findall(r'"[^"]*"|[^\[\], ]+', text)]
            assert tuple(LISTS[kind](item) for item in items) == one.default
        else:
            assert SCALARS[kind](text.strip('"')) == one.default, one.name
        checked += 1
    assert checked > 30
