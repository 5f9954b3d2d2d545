"""hedwig's Python package. The version is that of hedwig/__init__.py; debian/ ships the same console scripts."""

import re
from pathlib import Path

from setuptools import find_packages, setup

version = re.search(r'^__version__ = "(.+)"$', Path(__file__).with_name("hedwig").joinpath("__init__.py").read_text(), re.M)
assert version, "hedwig/__init__.py has no __version__"

setup(
    name="hedwig",
    version=version[1],
    description="An outbound mail queue for Docker hosts",
    packages=find_packages(include=["hedwig", "hedwig.*"]),
    python_requires=">=3.11",
    install_requires=[
        "aiosmtpd>=1.4.3",
        "bottle>=0.12",
        "click>=8.1",
        "dnspython>=2.3",
        "greenstalk>=2.0.2,<3",
        "idna>=3.3",
        "PyYAML>=6.0",
        "requests>=2.28",
        "systemd-python>=235",
        "uvloop>=0.17",
        "waitress>=2.1",
    ],
    entry_points={
        "console_scripts": [
            "hedwig = hedwig.cli.hedwig:main",
            "hedwig-mailman = hedwig.cli.daemon_mailman:main",
            "hedwig-postoffice = hedwig.cli.daemon_postoffice:main",
            "hedwig-worker = hedwig.cli.daemon_worker:main",
        ]
    },
)
