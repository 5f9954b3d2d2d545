"""`hedwig local-key`: mailman and postoffice of one host, joined in either order of installation."""

import stat
from functools import partial

import pytest

from hedwig import config
from hedwig.cli import local_key as module
from hedwig.cli.keys import hash_of
from hedwig.cli.local_key import own_url
from hedwig.config.localkey import LocalKey, this_host
from hedwig.settings import Listen

MAILMAN = "fqdn: a.example\npostoffice: http://192.0.2.1/\nkey: 4cd9zNwSXvksxw_mLdg9e\n"


@pytest.fixture
def local_key(hedwig):
    return partial(hedwig, "local-key")


def content(directory):
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def admitted(directory, key):
    return hash_of(key.key) in hashes(directory / "clients.d" / f"{key.fqdn}.yml")


def hashes(file):
    return [each.hash for each in config.load_client(file).key]


def test_mailman_first(local_key, tmp_path):
    """Alone, mailman knows that it lacks a postoffice; when that comes, both are joined by the key made before."""
    (tmp_path / "mailman.yml").write_text("# as it comes\n")
    local_key()
    alone = config.load_mailman(tmp_path / "mailman.yml")
    assert (alone.fqdn, alone.postoffice, alone.missing) == (this_host(), "", ("postoffice",))
    assert not (tmp_path / "clients.d").exists()
    (tmp_path / "postoffice.yml").write_text("listen: [172.17.0.1:8025, 127.0.0.1:8026]\n")
    local_key()
    joined = config.load_mailman(tmp_path / "mailman.yml")
    assert (joined.postoffice, joined.key, joined.missing) == ("http://127.0.0.1:8026/", alone.key, ())
    assert admitted(tmp_path, joined)


def test_postoffice_first_and_as_often_as_one_likes(local_key, tmp_path):
    """Once it is right, not a byte changes; the files are closed to others."""
    (tmp_path / "postoffice.yml").write_text("")
    local_key()
    before = content(tmp_path)
    assert local_key().stdout == ""
    assert content(tmp_path) == before
    assert stat.S_IMODE((tmp_path / "local.key").stat().st_mode) == 0o640
    key = config.load_local_key(tmp_path / "local.key")
    assert admitted(tmp_path, key)
    assert key.key not in repr(key)


def test_without_postoffice_the_url_goes_and_the_key_stays(local_key, tmp_path):
    (tmp_path / "postoffice.yml").write_text("")
    local_key()
    key = config.load_local_key(tmp_path / "local.key")
    (tmp_path / "postoffice.yml").unlink()
    local_key()
    assert config.load_local_key(tmp_path / "local.key") == LocalKey(key.fqdn, "", key.key)


def test_a_revoked_local_key_is_admitted_again_beside_the_admins_own(local_key, tmp_path):
    (tmp_path / "postoffice.yml").write_text("")
    local_key()
    key = config.load_local_key(tmp_path / "local.key")
    file = tmp_path / "clients.d" / f"{key.fqdn}.yml"
    other = hash_of("another")
    file.write_text(f"# mine\nkey: [{other!r}]\n".replace("'", '"'))
    local_key()
    assert hashes(file) == [other, hash_of(key.key)]
    assert file.read_text().startswith("# mine\n")


@pytest.mark.parametrize("line", MAILMAN.splitlines())
def test_one_own_line_in_mailman_yml_is_enough_to_leave_the_local_key_out(local_key, tmp_path, line):
    """Half of each would be a key sent to a stranger."""
    (tmp_path / "postoffice.yml").write_text("")
    local_key()
    (tmp_path / "mailman.yml").write_text(line + "\n")
    loaded = config.load_mailman(tmp_path / "mailman.yml")
    assert loaded.missing == tuple(name for name in ("fqdn", "postoffice", "key") if not line.startswith(name))
    assert loaded.key in ("", "4cd9zNwSXvksxw_mLdg9e")


def test_a_broken_local_key_is_named_and_not_overwritten(local_key, tmp_path):
    (tmp_path / "local.key").write_text("fqdn: a b\nkey: secretsecretsecretsecret\nport: 3\n")
    (tmp_path / "mailman.yml").write_text("")
    with pytest.raises(config.ConfigError) as caught:
        config.load_mailman(tmp_path / "mailman.yml")
    assert [(one.file, one.line) for one in caught.value.problems] == [(f"{tmp_path}/local.key", n) for n in (1, 3)]
    before = content(tmp_path)
    assert "local.key:1" in local_key(status=1).stderr
    assert content(tmp_path) == before
    (tmp_path / "mailman.yml").write_text(MAILMAN)
    assert config.load_mailman(tmp_path / "mailman.yml").missing == ()


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ((Listen("172.17.0.1", 8025), Listen("127.0.0.1", 80)), "http://127.0.0.1:80/"),
        ((Listen("0.0.0.0", 8025),), "http://127.0.0.1:8025/"),
        ((Listen("::", 8025),), "http://[::1]:8025/"),
        ((Listen("/run/a.sock", 0), Listen("10.1.2.3", 8025)), "http://10.1.2.3:8025/"),
        ((Listen("/run/a.sock", 0), Listen("docker0", 8025)), ""),
    ],
)
def test_the_own_url(listen, url):
    assert own_url(listen) == url


def test_a_postoffice_that_cannot_be_reached_is_said(local_key, tmp_path):
    (tmp_path / "postoffice.yml").write_text('listen: ["unix:/run/hedwig/http.sock"]\n')
    assert "add 127.0.0.1:8025" in local_key().stderr
    assert config.load_local_key(tmp_path / "local.key").postoffice == ""


def test_mailman_never_sees_a_key_that_postoffice_does_not_know_yet(local_key, tmp_path, monkeypatch):
    """It takes local.key within seconds: the hash has to be there first, or its log would cry 401."""
    (tmp_path / "postoffice.yml").write_text("")
    real, seen = module.replace, []

    def replace(file, text, **how):
        seen.append(str(file.relative_to(tmp_path)))
        real(file, text, **how)

    monkeypatch.setattr(module, "replace", replace)
    local_key()
    assert seen == [f"clients.d/{this_host()}.yml", "local.key"]


def test_a_client_file_that_is_broken_is_named_and_stays(local_key, tmp_path):
    (tmp_path / "postoffice.yml").write_text("")
    file = tmp_path / "clients.d" / f"{this_host()}.yml"
    file.parent.mkdir()
    file.write_text("key: [half\n")
    assert f"{file}:1" in local_key(status=1).stderr
    assert file.read_text() == "key: [half\n"


def test_any_key_that_may_stand_there_survives_a_new_url(local_key, tmp_path):
    (tmp_path / "local.key").write_text("fqdn: a.example\nkey: 'a\"b\\c:#d'\n")
    (tmp_path / "postoffice.yml").write_text("")
    local_key()
    assert config.load_local_key(tmp_path / "local.key") == LocalKey("a.example", "http://127.0.0.1:8025/", 'a"b\\c:#d')
