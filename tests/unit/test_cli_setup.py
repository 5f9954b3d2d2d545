"""`hedwig setup`: three lines of mailman.yml, by questions or by options; the rest of the file stays to the letter."""

import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import CliRunner

from hedwig import config
from hedwig.cli import yamltext
from hedwig.cli.hedwig import main
from hedwig.cli.sample import sample
from hedwig.cli.yamltext import Misshapen

KEY = "4cd9zNwSXvksxw_mLdg9e"
LINES = f"# a remark\nfqdn: a.example\npostoffice: http://192.0.2.1:8025/\nkey: {KEY}\n"


@pytest.fixture
def setup(tmp_path):
    def call(*arguments, status=0, answer=None):
        runner = CliRunner(mix_stderr=False)
        result = runner.invoke(main, ["--config-dir", str(tmp_path), "setup", *arguments], input=answer)
        assert result.exit_code == status, result.stderr
        assert KEY not in result.stdout + result.stderr
        return result

    return call


@pytest.fixture
def answering():
    """An HTTP server that answers POST with the status of its list; the requests it got."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append((self.path, self.headers["Authorization"]))
            self.send_response(200 if seen[0][1] == self.headers["Authorization"] else 401)
            self.end_headers()
            self.wfile.write(b'{"verdicts": []}')

        def log_message(self, *_):
            """Silence."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_asks_for_url_name_and_key(setup, tmp_path):
    """On the sample as it comes: each answer stands where the sample has its line, and no other line has changed."""
    file = tmp_path / "mailman.yml"
    file.write_text(sample("mailman"))
    file.chmod(0o644)
    setup("--no-check", answer=f"less.example.com\npostoffice.example\nhttps://postoffice.example\n{KEY}\n")
    loaded = config.load_mailman(file)
    assert (loaded.postoffice, loaded.fqdn, loaded.key) == ("https://postoffice.example/", "less.example.com", KEY)
    before, after = sample("mailman").splitlines(), file.read_text().splitlines()
    changed = [old for old, new in zip(before, after, strict=True) if old != new]
    assert [line.partition(":")[0] for line in changed] == ["#fqdn", "#postoffice", "#key"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640, "a file with a key is closed to others"


def test_by_options_and_what_key_add_printed(setup, tmp_path):
    """For Ansible: nothing asked, and the second time nothing written."""
    assert "written" in setup("--from", "-", "--no-check", answer=LINES).stdout
    file = tmp_path / "mailman.yml"
    assert config.load_mailman(file).fqdn == "a.example"
    before = file.stat()
    assert "already so" in setup("--from", "-", "--no-check", answer=LINES).stdout
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    setup("--from", "-", "--fqdn", "b.example", "--ca-file", "/etc/hedwig/ca.pem", "--no-check", answer=LINES)
    loaded = config.load_mailman(file)
    assert (loaded.fqdn, loaded.ca_file, loaded.key) == ("b.example", "/etc/hedwig/ca.pem", KEY)


@pytest.mark.parametrize("key", ["-starts_with_a_dash", "0123456789", "1e5", "k:#x", "true", 'a"b', "a\\b"])
def test_any_key_stays_a_text(setup, tmp_path, key):
    (tmp_path / "key").write_text(key + "\n")
    setup("--postoffice", "http://a/", "--fqdn", "a", "--key-file", str(tmp_path / "key"), "--no-check")
    assert config.load_mailman(tmp_path / "mailman.yml").key == key


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--postoffice", "ftp://x"), "http URL"),
        (("--fqdn", "a b"), "host name"),
        (("--ca-file", "ca.pem"), "full path"),
    ],
)
def test_a_wrong_option_is_explained(setup, arguments, said):
    assert said in setup(*arguments, status=2).stderr


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (("--fqdn", "a"), "--postoffice"),
        ((), "--fqdn"),
        (("--postoffice", "http://a/", "--fqdn", "a"), "--key-file"),
    ],
)
def test_without_a_terminal_it_says_which_option_is_missing(tmp_path, given, missing):
    """Ansible shall not read "Aborted!". The real command: click's runner for tests never comes to an end of input."""
    command = [sys.executable, "-c", "from hedwig.cli.hedwig import main; main()", "--config-dir", tmp_path, "setup"]
    done = subprocess.run(
        [*command, *given],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert f"there is nobody to ask: give {missing}" in done.stderr
    assert not (tmp_path / "mailman.yml").exists()


def test_standard_input_is_read_once(setup):
    assert "both" in setup("--from", "-", "--key-file", "-", status=2, answer=LINES).stderr


def test_doing_it_again_asks_for_no_reload(setup):
    assert "systemctl reload hedwig-mailman" in setup("--from", "-", "--no-check", answer=LINES).stdout
    again = setup("--from", "-", "--no-check", answer=LINES).stdout
    assert "already so" in again and "reload" not in again


def test_without_mailman_installed_the_lines_are_written_all_the_same(setup, tmp_path, monkeypatch):
    """The command is hedwig-common's; python3-requests comes with hedwig-mailman."""
    monkeypatch.setitem(sys.modules, "hedwig.mailman.client", None)
    assert "hedwig-mailman is not installed" in setup("--from", "-", answer=LINES).stderr
    assert config.load_mailman(tmp_path / "mailman.yml").key == KEY


def test_a_broken_file_is_not_touched(setup, tmp_path):
    file = tmp_path / "mailman.yml"
    file.write_text("listn: 1\nmax_size: x\n")
    assert "did you mean listen?" in setup("--from", "-", status=1, answer=LINES).stderr
    assert file.read_text() == "listn: 1\nmax_size: x\n"


def test_the_postoffice_is_asked_at_once(setup, answering):
    """Right: it says so. Wrong key: it says so too, and the lines stay."""
    url = f"http://127.0.0.1:{answering}/"
    lines = LINES.replace("http://192.0.2.1:8025/", url)
    assert f"{url} takes mail from a.example" in setup("--from", "-", answer=lines).stdout
    wrong = setup("--from", "-", "--fqdn", "b.example", answer=lines)
    assert "401" in wrong.stderr and "mailman will spool" in wrong.stderr


TEXTS = [
    "max_size: 1 MiB\nkey: old # mine\nlisten:\n  - 127.0.0.1:25 # first\n  # between\n  - 172.17.0.1:25\n# end\n",
    "key: 'old'\nlisten: [127.0.0.1:25, 172.17.0.1:25] # both\n",
    'key: "old"\nlisten: [127.0.0.1:25,\n  "172.17.0.1:25",\n  ] # both',
    "key: old\nlisten:\n- 127.0.0.1:25\n- 172.17.0.1:25",
]


@pytest.mark.parametrize("text", TEXTS)
def test_an_edit_keeps_every_other_character(tmp_path, text):
    path = tmp_path / "mailman.yml"
    assert yamltext.with_value(path, text, "key", '"new"') == text.replace("'old'", "old").replace(
        '"old"', "old"
    ).replace("old", '"new"')
    moved = yamltext.with_items_changed(path, text, "listen", lambda item: item.replace("172.17", "172.26"))
    assert moved == text.replace("172.17", "172.26")
    more = yamltext.with_item(path, text, "listen", '"unix:/run/x"', ())
    assert yamltext.items(path, more, "listen") == ["127.0.0.1:25", "172.17.0.1:25", "unix:/run/x"]
    item = '"unix:/run/x"'
    assert text in {more.replace(piece, "") for piece in (f", {item}", item, f"  - {item}\n", f"\n- {item}\n")}


def test_an_absent_list_begins_with_its_default(tmp_path):
    path = tmp_path / "postoffice.yml"
    text = yamltext.with_item(path, sample("postoffice"), "listen", "10.0.0.1:80", ["127.0.0.1:8025"])
    path.write_text(text)
    assert [str(one) for one in config.load_postoffice(path).listen] == ["127.0.0.1:8025", "10.0.0.1:80"]
    assert len(text.splitlines()) == len(sample("postoffice").splitlines())
    assert (
        yamltext.with_item(path, "listen: 1.2.3.4:5\n", "listen", "6.7.8.9:0", ()) == "listen: [1.2.3.4:5, 6.7.8.9:0]\n"
    )


@pytest.mark.parametrize("text", ["{key: old}", "key:\n  - old\n", "  key: old\n  fqdn: a\n"])
def test_what_cannot_be_edited_safely_is_refused(tmp_path, text):
    """A list where a text belongs, and lines to which nothing can be added below."""
    with pytest.raises(Misshapen, match=r"mailman\.yml:\d"):
        new = yamltext.with_value(tmp_path / "mailman.yml", text, "key", "new")
        yamltext.with_value(tmp_path / "mailman.yml", new, "postoffice", "new")
