"""requests without the libraries that guess charsets."""

import subprocess
import sys

_LOOK = """
import sys
import hedwig.mailman.connection, hedwig.worker.sts_fetch
from hedwig.lean_requests import requests
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"chardet", "charset_normalizer"}))
answer = requests.Response()
answer._content = "\\u4fe1".encode()
print(answer.text == "\\u4fe1")
from importlib import import_module
from importlib.util import find_spec
real = [import_module(name) for name in ("chardet", "charset_normalizer") if find_spec(name)]
print(bool(real), *(each.detect(b"abc")["encoding"] for each in real))
"""


def test_no_daemon_has_them_and_others_may() -> None:
    """In a process of its own, without a warning; a text whose charset nobody names is UTF-8."""
    said = subprocess.run(
        [sys.executable, "-W", "error::Warning:requests", "-c", _LOOK], capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines() == ["", "True", "True ascii ascii"]
    assert "Warning" not in said.stderr
