"""For all tests: names that stay short, and the same in every process of pytest-xdist."""

SHORT = 60


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A long value is called by its parameter's name; pytest numbers those that are alike: megabytes are no test ID,
    and pytest puts the ID into the environment of what the test starts. None: pytest's own choice."""
    return argname if isinstance(val, str | bytes) and len(val) > SHORT else None
