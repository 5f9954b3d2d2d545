"""Manual pages and bash's completion: they know every command and setting, and the real tools take them."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from hedwig.cli.daemon import _options
from hedwig.cli.hedwig import main
from hedwig.cli.manual import manual
from hedwig.cli.sample import FILES
from hedwig.settings import Client, Mailman, ReplyRule, key_of

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "man").iterdir())
COMPLETION = ROOT / "etc" / "bash-completion" / "hedwig"
BIN = Path(sys.executable).parent


def rendered(page):
    """The page as a terminal shows it, hyphenation and fonts taken out."""
    command = ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", "-rHY=0", "-rLL=300n", page]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return " ".join(done.stdout.replace("‐", "-").replace("−", "-").split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_real_tools_have_nothing_to_say_about_a_page(page):
    assert shutil.which("mandoc"), "mandoc is missing: make deps"
    linted = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", page], check=False, capture_output=True, text=True
    )
    assert linted.stdout + linted.stderr == ""
    assert "SEE ALSO" in rendered(page)


@pytest.mark.parametrize("name", FILES)
def test_the_settings_pages_are_those_that_settings_py_makes(name):
    """`hedwig config man NAME > docs/man/NAME.yml.5` mends a difference."""
    assert (ROOT / "docs" / "man" / f"{name}.yml.5").read_text(encoding="utf-8") == manual(name)


def test_the_page_on_a_clients_file_is_the_one_that_settings_py_makes():
    """`hedwig config man client > docs/man/hedwig-clients.5` mends a difference."""
    page = ROOT / "docs" / "man" / "hedwig-clients.5"
    assert page.read_text(encoding="utf-8") == manual("client")
    shown = rendered(page)
    assert "/etc/hedwig/clients.d/FQDN.yml" in shown
    assert all(f" {name} " in shown for name, one in Client.__dataclass_fields__.items() if one.metadata)
    assert "on_doubt What to do" in shown
    assert "Default: retry." in shown
    assert "Default: normal." in shown


def test_the_page_on_replies_is_the_one_that_settings_py_makes():
    """`hedwig config man replies > docs/man/replies.yml.5` mends a difference."""
    page = ROOT / "docs" / "man" / "replies.yml.5"
    assert page.read_text(encoding="utf-8") == manual("replies")
    shown = rendered(page)
    assert all(f" rules.NAME.{key_of(one)} " in shown for one in ReplyRule.__dataclass_fields__.values())
    assert "/usr/share/hedwig/replies.yml" in shown


def test_a_page_shows_each_setting_with_its_default():
    shown = rendered(ROOT / "docs" / "man" / "mailman.yml.5")
    assert "max_size The largest message taken. Default: 30 MiB." in shown
    assert "key The key that hedwig key add FQDN printed. No default." in shown
    assert all(f" {name} " in shown for name, one in Mailman.__dataclass_fields__.items() if one.metadata)
    assert "dns.port Their port. Default: 53." in rendered(ROOT / "docs" / "man" / "worker.yml.5")


def commands(group, words=("hedwig",)):
    """All commands with their full names."""
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        yield " ".join((*words, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))


@pytest.mark.parametrize("named", commands(main), ids=lambda named: named[0])
def test_hedwig_1_knows_every_command_and_option(named):
    name, command = named
    shown = rendered(ROOT / "docs" / "man" / "hedwig.1")
    if not isinstance(command, click.Group) or command.invoke_without_command:
        assert name in shown
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    for option in options:
        assert any(word in shown for word in (*option.opts, *option.secondary_opts)), option.opts


@pytest.mark.parametrize("name", FILES)
def test_a_daemons_page_knows_its_options(name):
    shown = rendered(ROOT / "docs" / "man" / f"hedwig-{name}.8")
    parser = _options(name, name == "worker")
    for action in parser._actions:
        for word in action.option_strings or [str(action.metavar)]:
            assert word in shown
    assert isinstance(parser, argparse.ArgumentParser)
    assert f"/etc/hedwig/{name}.yml" in shown


def test_the_completion_is_clicks_own():
    """`_HEDWIG_COMPLETE=bash_source hedwig > etc/bash-completion/hedwig` mends a difference."""
    environment = os.environ | {"_HEDWIG_COMPLETE": "bash_source"}
    done = subprocess.run([BIN / "hedwig"], check=False, capture_output=True, text=True, env=environment)
    assert done.stdout == COMPLETION.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("hedwig que", ["queue"]),
        ("hedwig config sample ma", ["mailman"]),
        ("hedwig queue --spool w", ["worker"]),
        ("hedwig queue re", ["release", "resume", "retry"]),
        ("hedwig queue drop --state he", ["held"]),
        ("hedwig spool ti", ["tidy"]),
    ],
)
def test_bash_completes(tmp_path, words, found):
    """In a real bash that has read the file; reading it starts no program at all."""
    script = f"PATH=; source {COMPLETION}; PATH=$1; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1));"
    script += '_hedwig_completion hedwig; printf "%s\\n" "${COMPREPLY[@]}"'
    path = f"{BIN}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", script, "bash", path], check=True, capture_output=True, text=True)
    assert done.stdout.split() == found
    assert done.stderr == ""
