"""`hedwig config`, and the files of etc/, which are made from hedwig/settings."""

import dataclasses
import json
import re
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from hedwig import config, settings
from hedwig.cli.hedwig import main
from hedwig.cli.sample import FILES, sample

ETC = Path(__file__).parents[2] / "etc"
MAILMAN = "fqdn: a.example\npostoffice: http://192.0.2.1:8025/\nkey: 4cd9zNwSXvksxw_mLdg9e\n"


@pytest.fixture
def check(hedwig):
    return partial(hedwig, "config", "check")


@pytest.mark.parametrize("name", FILES)
def test_etc_is_what_settings_say(name):
    """They can't drift: to mend etc/, run `hedwig config sample NAME > etc/NAME.yml`."""
    assert (ETC / f"{name}.yml").read_text(encoding="utf-8") == sample(name)
    assert CliRunner().invoke(main, ["config", "sample", name]).output == sample(name)
    assert not [line for line in sample(name).splitlines() if len(line) > 110]


@pytest.mark.parametrize("name", FILES)
def test_a_sample_shows_every_key_with_its_default(name, tmp_path):
    """With the `#` taken from every setting's line the file still means the same."""
    text = re.sub(r"^#( *[a-z_-]+:)", r"\1", sample(name), flags=re.MULTILINE)
    named = set(re.findall(r"^ *([a-z_-]+):", text, flags=re.MULTILINE))
    file = tmp_path / f"{name}.yml"
    file.write_text(text.replace("key: …", "key: k"))
    loaders = {"mailman": config.load_mailman, "postoffice": config.load_postoffice, "worker": config.load_worker}
    loaded = {**loaders, "alerts": config.load_alerts}[name](file)
    filled = {key: getattr(loaded, key) for key in ("fqdn", "postoffice", "key") if name == "mailman"}
    assert loaded == FILES[name](**filled)
    top = [one.metadata for one in dataclasses.fields(FILES[name])]
    sections = [one["section"] for one in top if "section" in one] + [settings.SiteRule]
    inner = {one.name for cls in sections for one in dataclasses.fields(cls)}
    inner |= settings.SITES.keys()
    if name == "alerts":
        inner, top = {one.name for one in dataclasses.fields(settings.WebhookRule)}, []
    assert named == {one.name for one in dataclasses.fields(FILES[name]) if one.metadata} | (
        inner if name in ("worker", "alerts") else set()
    )


def test_the_sample_as_it_comes_lacks_only_what_key_add_prints(tmp_path):
    file = tmp_path / "mailman.yml"
    file.write_text(sample("mailman"))
    assert config.load_mailman(file).missing == ("fqdn", "postoffice", "key")
    file.write_text(sample("mailman") + MAILMAN)
    assert config.load_mailman(file).fqdn == "a.example"


def test_check_says_which_files_are_fine_and_which_are_not_there(check, tmp_path):
    (tmp_path / "mailman.yml").write_text(MAILMAN)
    (tmp_path / "mailman.yml").chmod(0o640)
    result = check()
    assert result.stdout.splitlines() == [
        f"{tmp_path}/mailman.yml: fine",
        f"{tmp_path}/postoffice.yml: not there (needed only where that daemon runs)",
        f"{tmp_path}/worker.yml: not there (needed only where that daemon runs)",
    ]
    assert result.stderr == ""


def test_check_tells_every_fault_of_every_file(check, tmp_path):
    (tmp_path / "mailman.yml").write_text(MAILMAN + "listn: docker0:25\ndebug: yes\n")
    (tmp_path / "worker.yml").write_text("retry: {expires: 5d}\n")
    (tmp_path / "postoffice.yml").write_text("")
    (tmp_path / "clients.d").mkdir()
    (tmp_path / "clients.d" / "a.example.yml").write_text("key: [plain]\n")
    (tmp_path / "clients.d" / ".a.example.yml.tmp").write_text("half")
    (tmp_path / "clients.d" / "README").write_text("not ours")
    result = check(status=1)
    assert result.stderr.splitlines() == [
        f"{tmp_path}/mailman.yml:4: listn: unknown key; did you mean listen?",
        f"{tmp_path}/mailman.yml:5: debug: 'yes' is neither true nor false; write true or false",
        f"{tmp_path}/worker.yml:1: retry.expires: unknown key; did you mean expire?",
        f"{tmp_path}/clients.d/a.example.yml:1: key: this is not the hash of a key; "
        "let `hedwig key add FQDN` write it: sha256: and 64 hex digits",
    ]
    assert result.stdout == f"{tmp_path}/postoffice.yml: fine\n"
    faults = json.loads(check("--json", status=1).stdout)["faults"]
    assert [(Path(one["file"]).name, one["line"], one["key"]) for one in faults] == [
        ("mailman.yml", 4, "listn"), ("mailman.yml", 5, "debug"), ("worker.yml", 1, "retry.expires"),
        ("a.example.yml", 1, "key"),
    ]  # fmt: skip


def test_check_takes_files_by_name(check, tmp_path):
    (tmp_path / "worker.yml").write_text("debug: true\n")
    (tmp_path / "strange.yml").write_text("debug: true\n")
    assert check(str(tmp_path / "worker.yml")).stdout == f"{tmp_path}/worker.yml: fine\n"
    error = check(
        str(tmp_path / "worker.yml"), str(tmp_path / "strange.yml"), str(tmp_path / "x/mailman.yml"), status=1
    )
    assert error.stderr.splitlines() == [
        f"{tmp_path}/strange.yml: its name doesn't say what it is; "
        "name it mailman.yml, postoffice.yml, worker.yml, alerts.yml, replies.yml or clients.d/FQDN.yml",
        f"{tmp_path}/x/mailman.yml: there is no such file",
    ]


def test_check_says_that_mailman_has_no_postoffice_and_that_all_can_read_its_key(check, tmp_path):
    (tmp_path / "mailman.yml").write_text("")
    (tmp_path / "local.key").write_text("fqdn: a.example\nkey: 4cd9zNwSXvksxw_mLdg9e\n")
    (tmp_path / "local.key").chmod(0o644)
    readable, missing = check().stderr.splitlines()
    assert readable.endswith(f"chmod o-rwx {tmp_path}/local.key")
    assert "(postoffice missing)" in missing and "`hedwig setup`" in missing


def test_an_empty_directory_is_a_fault(check, tmp_path):
    assert "no configuration file in this directory" in check(status=1).stderr
    (tmp_path / "alerts.yml").write_text("{}\n")
    assert "no configuration file" not in check().stderr
    (tmp_path / "clients.d").write_text("a file")
    assert "clients.d: can't be read" in check(status=1).stderr


def test_check_warns_of_what_two_files_disagree_about(check, tmp_path):
    (tmp_path / "postoffice.yml").write_text("spool: /a/spool.db\n")
    (tmp_path / "worker.yml").write_text("spool: /b/spool.db\nqueue: beanstalk://127.0.0.1:11300\n")
    (tmp_path / "mailman.yml").write_text(MAILMAN)
    (tmp_path / "mailman.yml").chmod(0o644)
    warned = check().stderr.splitlines()
    assert len(warned) == 3
    assert "chmod o-rwx" in warned[0]
    assert warned[1].startswith("warning: spool: postoffice.yml says /a/spool.db and worker.yml says /b/spool.db")
    assert warned[2].startswith("warning: queue: ")
    (tmp_path / "worker.yml").write_text("spool: /a/spool.db\n")
    (tmp_path / "mailman.yml").chmod(0o600)
    assert check().stderr == ""


def test_check_reads_replies_yml_beside_worker_yml(check, tmp_path):
    """Its faults are told with its own name; the shipped rules are no file of CONFIGDIR's, and not listed."""
    (tmp_path / "worker.yml").write_text("sites:\n  campus: {mx: [.campus.example]}\n")
    replies = tmp_path / "replies.yml"
    replies.write_text("rules:\n  mine: {provider: [campus], text: [closed], class: evening}\n")
    assert f"{tmp_path}/worker.yml: fine\n{replies}: fine\n" in check().stdout
    assert check(str(replies)).stdout == f"{replies}: fine\n"
    replies.write_text("rules:\n  mine: {provider: [campsu], text: [closed], class: evening}\n")
    for arguments in ((), (str(replies),)):
        error = check(*arguments, status=1).stderr
        assert f"{replies}:2: rules.mine.provider: there is no 'campsu' in sites" in error
        assert "did you mean campus?" in error


def test_check_tells_the_faults_of_replies_yml_beside_those_of_worker_yml(check, tmp_path):
    worker, replies = tmp_path / "worker.yml", tmp_path / "replies.yml"
    worker.write_text("dane: false\ndomains:\n  d.example: {tls: dane}\nsites:\n  campus: {mx: [.campus.example]}\n")
    replies.write_text(
        "rules:\n  a: {provider: [campus], txet: [closed], code: [421], class: c}\n  b: {acton: [fail]}\n"
    )
    expected = [
        f"{worker}:3: domains.d.example.tls: `dane: false` rules dane out, so that this mail could never be delivered; "
        "write dane: true, or here none, may, encrypt or verify",
        f"{replies}:2: rules.a.txet: unknown key; did you mean text?",
        f"{replies}:3: rules.b.acton: unknown key; did you mean action?",
    ]
    result = check(status=1)
    assert result.stderr.splitlines() == expected
    assert check(str(worker), str(replies), status=1).stderr.splitlines() == expected
    assert check(str(replies), status=1).stderr.splitlines() == expected[1:]
    assert result.stdout.count(": fine") == 0


def test_check_tells_faults_of_postoffice_yml_and_of_the_keys(check, tmp_path):
    (tmp_path / "postoffice.yml").write_text("debug: yes\n")
    (tmp_path / "dkim").mkdir()
    (tmp_path / "dkim" / "stray").touch()
    first, second = check(status=1).stderr.splitlines()
    assert first.startswith(f"{tmp_path}/postoffice.yml:1: debug: ")
    assert second.startswith(f"{tmp_path}/dkim/stray: ")
