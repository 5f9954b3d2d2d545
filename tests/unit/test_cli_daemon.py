"""What hedwig-mailman, hedwig-postoffice and hedwig-worker have in common: options, faults, reload."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hedwig import __version__, log
from hedwig.cli.daemon import EX_CONFIG, main_for
from hedwig.config import load_mailman, load_worker
from hedwig.settings import Worker

BIN = Path(__file__).parents[2] / ".venv" / "bin"
DAEMONS = ["hedwig-alerts", "hedwig-mailman", "hedwig-postoffice", "hedwig-worker"]


@pytest.fixture
def said(monkeypatch):
    """What is logged, as (level, message); start() would choose another sink."""
    lines = []
    monkeypatch.setattr(log, "_to_stderr", lambda level, message, fields: lines.append((level.name, message)))
    monkeypatch.setattr(log, "_under_journald", lambda: False)
    hangup = signal.getsignal(signal.SIGHUP)
    yield lines
    monkeypatch.undo()
    log.start("hedwig")
    signal.signal(signal.SIGHUP, hangup)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "worker.yml"
    path.write_text("smtp_port: 2525\n")
    return path


def test_run_gets_settings_number_and_file(file, said):
    starts = []

    def run(start):
        starts.append(start)
        return 7

    assert main_for("worker", load_worker, run, numbered=True, argv=["--config", str(file), "12"]) == 7
    (start,) = starts
    assert (start.settings, start.number, start.config_file) == (Worker(smtp_port=2525), 12, file)
    assert not start.supervisor.is_there  # no systemd here
    assert said == []
    assert main_for("worker", load_worker, run, numbered=True, argv=["--config", str(file)]) == 7
    assert starts[1].number == 1


@pytest.mark.parametrize("number", ["0", "1000", "-1", "x", "1.5", "٣", "0" * 9, "00105000", "1" * 5000, ""])
def test_a_wrong_number_is_refused(file, number, capsys):
    with pytest.raises(SystemExit) as caught:
        main_for("worker", load_worker, lambda start: 0, numbered=True, argv=["--config", str(file), "--", number])
    assert caught.value.code == 2
    assert "from 1 to 999" in capsys.readouterr().err


def test_only_the_worker_takes_a_number(file):
    with pytest.raises(SystemExit) as caught:
        main_for("mailman", load_mailman, lambda start: 0, argv=["--config", str(file), "1"])
    assert caught.value.code == 2


def test_every_fault_is_logged_and_nothing_runs(file, said):
    file.write_text("smtp_prt: 1\ndebug: maybe\n")

    def run(start):
        pytest.fail("it ran")

    assert main_for("worker", load_worker, run, numbered=True, argv=["--config", str(file)]) == EX_CONFIG == 78
    assert said == [
        ("ERROR", f"{file}:1: smtp_prt: unknown key; did you mean smtp_port?"),
        ("ERROR", f"{file}:2: debug: 'maybe' is neither true nor false; write true or false"),
    ]


def test_reload_reads_anew_and_a_broken_file_changes_nothing(file, said):
    def run(start):
        file.write_text("smtp_port: 2526\ndebug: true\n")
        assert start.reload() == Worker(smtp_port=2526, debug=True)
        log.say(log.Level.DEBUG, "seen now")
        file.write_text("smtp_port: none\nretry: 6m\n")
        assert start.reload() is None
        log.say(log.Level.DEBUG, "still seen")
        file.unlink()
        assert start.reload() is None
        file.write_text("")
        assert start.reload() == Worker()
        log.say(log.Level.DEBUG, "not seen")
        return 0

    assert main_for("worker", load_worker, run, numbered=True, argv=["--config", str(file)]) == 0
    assert [line for level, line in said if level == "DEBUG"] == ["seen now", "still seen"]
    assert [line for level, line in said if level == "ERROR"] == [
        f"{file}:1: smtp_port: 'none' is not a port; write a number from 1 to 65535",
        f"{file}:2: retry: has no keys of its own; write its keys below it, indented by two spaces",
        f"{file} is broken: the old settings stay",
        f"{file}: there is no such file",
        f"{file} is broken: the old settings stay",
    ]
    assert [line for level, line in said if level == "NOTICE"] == [f"{file} was read again"] * 2


def test_a_key_that_all_can_read_is_a_warning_at_start_and_reload(tmp_path, said):
    file = tmp_path / "mailman.yml"
    file.write_text("fqdn: a.example\npostoffice: http://192.0.2.1/\nkey: s3cret\n")
    file.chmod(0o644)

    def run(start):
        assert start.reload() is not None
        return 0

    assert main_for("mailman", load_mailman, run, argv=["--config", str(file)]) == 0
    warned = [line for level, line in said if level == "WARNING"]
    assert len(warned) == 2
    assert "chmod o-rwx" in warned[0]
    assert "s3cret" not in str(said)


@pytest.mark.parametrize("name", DAEMONS)
def test_the_real_commands_say_their_version(name):
    result = subprocess.run([BIN / name, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == f"{name} {__version__}\n"


@pytest.mark.parametrize("name", DAEMONS)
def test_the_real_commands_end_with_78_and_all_faults_on_stderr(name, tmp_path):
    file = tmp_path / "x.yml"
    file.write_text("debug: yes\nno_such: 1\n")
    result = subprocess.run([BIN / name, "--config", file], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 78
    assert f"{file}:1: debug: 'yes' is neither true nor false" in result.stderr
    assert f"{file}:2: no_such: unknown key" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_hangup_before_the_room_is_ready_ends_nothing(file):
    """`systemctl reload` may come while a daemon still starts; SIGHUP without a handler would end it."""
    script = textwrap.dedent(f"""
        import os, signal, sys
        from hedwig.cli.daemon import main_for
        from hedwig.config import load_worker
        def load(path):
            os.kill(os.getpid(), signal.SIGHUP)
            return load_worker(path)
        sys.exit(main_for("worker", load, lambda start: 5, argv=["--config", {str(file)!r}]))
    """)
    result = subprocess.run([sys.executable, "-c", script], timeout=60, check=False, env=dict(os.environ))
    assert result.returncode == 5
