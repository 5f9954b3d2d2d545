"""`hedwig setup` takes the lines of `hedwig key add` as answers, at a terminal too."""

import os
import pty
import select
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from hedwig import config
from hedwig.cli.hedwig import main

KEY = "4cd9zNwSXvksxw_mLdg9e"
LINES = f"# a remark\nfqdn: a.example\npostoffice: http://192.0.2.1:8025/\nkey: {KEY}\n"
COMMAND = "from hedwig.cli.hedwig import main; main()"


def answered(tmp_path, answer, *given):
    command = ["--config-dir", str(tmp_path), "setup", "--no-check", *given]
    result = CliRunner(mix_stderr=False).invoke(main, command, input=answer)
    assert result.exit_code == 0, result.stderr
    loaded = config.load_mailman(tmp_path / "mailman.yml")
    return result, (loaded.fqdn, loaded.postoffice, loaded.key)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 1, 3)])
def test_the_lines_are_answers_in_any_order(tmp_path, order):
    """A line for another question than the one asked is taken, and its own question isn't asked."""
    lines = LINES.splitlines(keepends=True)
    _, found = answered(tmp_path, "".join(lines[number] for number in order))
    assert found == ("a.example", "http://192.0.2.1:8025/", KEY)


def test_an_option_counts_more_than_a_line(tmp_path):
    assert answered(tmp_path, LINES, "--fqdn", "b.example")[1][0] == "b.example"


def test_a_wrong_answer_is_explained_and_asked_again(tmp_path):
    """The key's as well, which nobody sees; a wrong line too."""
    answer = f"a b\na.example\npostoffice: ftp://x\nhttp://192.0.2.1:8025/\na key\x07\n{KEY}\n"
    result, found = answered(tmp_path, answer)
    assert found == ("a.example", "http://192.0.2.1:8025/", KEY)
    assert "host name" in result.stderr and "http URL" in result.stderr
    assert "The value you entered was invalid" not in result.stderr
    assert result.stderr.count("Error: ") == 3
    assert KEY not in result.stderr + result.stdout


def test_all_lines_pasted_at_once_at_a_terminal(tmp_path):
    """The key's line is there before its question is asked: getpass would throw it away."""
    us, terminal = pty.openpty()
    command = [sys.executable, "-c", COMMAND, "--config-dir", tmp_path, "setup", "--no-check"]
    with subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True, cwd=os.getcwd()
    ) as running:
        os.close(terminal)
        try:
            said = read_until(us, b"name, as in")
            os.write(us, LINES.encode())
            said += read_until(us, b"written")
            assert running.wait(30) == 0, said
        finally:
            running.kill()  # or a question that nobody answers would be waited for
    os.close(us)
    loaded = config.load_mailman(tmp_path / "mailman.yml")
    assert (loaded.fqdn, loaded.postoffice, loaded.key) == ("a.example", "http://192.0.2.1:8025/", KEY)


def read_until(us, wanted):
    """What the terminal shows up to `wanted`."""
    said, deadline = b"", time.monotonic() + 30
    while wanted not in said:
        ready = select.select([us], [], [], max(0, deadline - time.monotonic()))[0]
        assert ready, said
        said += os.read(us, 4096)
    return said
