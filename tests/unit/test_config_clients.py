"""Files of clients.d: what is taken, and what is said about what isn't."""

import pytest

from hedwig import config, settings
from hedwig.choices import FromMatch, FromMismatch
from hedwig.options import OnDoubt, Priority
from hedwig.settings import ClientKey, Quota

KEY = "4cd9zNwSXvksxw_mLdg9e-wpptnYMmAsvli9CaQJJxo"


def problems(load, path, text):
    path.write_text(text)
    with pytest.raises(config.ConfigError) as caught:
        load(path)
    return caught.value.problems


def test_a_client_file(tmp_path):
    file = tmp_path / "less.nankai.edu.cn.yml"
    first, second = "sha256:" + "0f" * 32, "sha256:" + "1A" * 32
    file.write_text(f"key:\n  - {first}\n  - '{second}'\n")
    loaded = config.load_client(file)
    assert loaded == settings.Client("less.nankai.edu.cn", (ClientKey(first), ClientKey(second.lower())))
    assert [each.line for each in loaded.key] == [2, 3]
    assert "0f0f" not in repr(loaded)
    file.write_text(f"key: {first}\n")
    assert config.load_client(str(file)).key == (ClientKey(first),)
    file.write_text("key: []\n")
    assert config.load_client(file).key == ()
    found = problems(config.load_client, file, f"key: [{KEY}]\nkeys: x\n")
    assert [(one.line, one.key) for one in found] == [(1, "key"), (2, "keys")]
    assert KEY not in str(found)


def test_a_clients_policy(tmp_path):
    file = tmp_path / "less.nankai.edu.cn.yml"
    file.write_text("priority: Bulk\non_doubt: retry-once\n")
    loaded = config.load_client(file)
    assert (loaded.priority, loaded.on_doubt) == (Priority.BULK, OnDoubt.RETRY_ONCE)
    found = problems(config.load_client, file, "priority: 1\non_doubt: panic\n")
    assert [(one.line, one.key, one.right) for one in found] == [
        (1, "priority", "write urgent, normal or bulk"),
        (2, "on_doubt", "write retry, hold or retry-once"),
    ]


def test_a_clients_rules_for_who_may_send(tmp_path):
    """All that may stand there; and in which line each stands, which refusals name."""
    file = tmp_path / "less.nankai.edu.cn.yml"
    file.write_text(
        f"""key:
  - {{hash: sha256:{"0f" * 32}, expires: 2027-01-31T12:00:00+08:00}}
  - sha256:{"1a" * 32}
allow: [192.0.2.0/24, "2001:db8::7"]
senders: [Robot@Genee.CN, "*@例子.cn"]
from_mismatch: fix-envelope
from_match: address
max_size: 5 MiB
deadline: 2d
most_deadline: 3d
list_unsubscribe: https://lists.genee.cn/u?l={{id}}&r={{recipient}}
quota:
  messages_per_hour: 100
container_quota: {{recipients_per_day: 500}}
"""
    )
    loaded = config.load_client(file)
    assert loaded.key[0] == ClientKey("sha256:" + "0f" * 32, 1801368000.0)
    assert (loaded.key[1].expires, loaded.key[1].line) == (0, 3)
    assert loaded.allow == ("192.0.2.0/24", "2001:db8::7")
    assert loaded.senders == ("robot@genee.cn", "*@xn--fsqu00a.cn")
    assert (loaded.from_mismatch, loaded.from_match) == (FromMismatch.FIX_ENVELOPE, FromMatch.ADDRESS)
    assert (loaded.max_size, loaded.deadline, loaded.most_deadline) == (5 << 20, 172800, 259200)
    assert (loaded.quota, loaded.container_quota) == (Quota(messages_per_hour=100), Quota(recipients_per_day=500))
    assert loaded.where("senders") == "clients.d/less.nankai.edu.cn.yml line 5"
    assert loaded.where("quota.messages_per_hour") == "clients.d/less.nankai.edu.cn.yml line 13"
    assert loaded.where("on_doubt") == "clients.d/less.nankai.edu.cn.yml"


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        (f"key:\n  - {{hash: sha256:{'0f' * 32}, expire: x}}\n", 2, "key.expire", "did you mean expires?"),
        ("key:\n  - {expires: 2027-01-31}\n", 2, "key.hash", "is missing"),
        (f"key: {{hash: sha256:{'0f' * 32}, expires: soon}}\n", 1, "key.expires", "write its last day like 2027-01-31"),
        (f"key: [sha256:{'0f' * 32}, {{hash: sha256:{'0F' * 32}}}]\n", 1, "key", "the same hash is there twice"),
        ("senders: ['*']\n", 1, "senders", "leave all out for any"),
        ("senders: [news*@x.example]\n", 1, "senders", '"*@example.com"'),
        ("senders: [robot]\n", 1, "senders", "the address has no domain"),
        ("allow: [docker]\n", 1, "allow", "192.0.2.7"),
        ("from_mismatch: no\n", 1, "from_mismatch", "write reject, fix-envelope, rewrite or warn"),
        ("from_match: all\n", 1, "from_match", "write address or domain"),
        ("senders: ['*@x.example']\nfrom_mismatch: rewrite\n", 2, "from_mismatch", "a whole address in `senders`"),
        ("most_deadline: 1h\ndeadline: 2h\n", 2, "deadline", "later than most_deadline"),
        ("quota:\n  messages: 5\n", 2, "quota.messages", "did you mean messages_per"),
        ("list_unsubscribe: http://x.example/{id}\n", 1, "list_unsubscribe", "not an https URL"),
        ("list_unsubscribe: https://x.example/\n", 1, "list_unsubscribe", "says who unsubscribes"),
        ("list_unsubscribe: https://{id}.example/\n", 1, "list_unsubscribe", "says who unsubscribes"),
        ("list_unsubscribe: https://x.example/{who}\n", 1, "list_unsubscribe", "{id} and {recipient}"),
    ],
)
def test_a_rule_that_makes_no_sense(tmp_path, text, line, key, said):
    (found,) = problems(config.load_client, tmp_path / "less.nankai.edu.cn.yml", text)
    assert (found.line, found.key) == (line, key)
    assert said in str(found)


@pytest.mark.parametrize("name", ["Less.example.yml", "less.example", "a b.yml", "-x.yml", ".yml"])
def test_a_client_files_name_must_be_a_host(tmp_path, name):
    assert "name it after the host" in str(problems(config.load_client, tmp_path / name, "key: []\n")[0])
