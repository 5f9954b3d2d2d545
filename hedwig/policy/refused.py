"""What the client's policy says to a letter that it does not let pass."""

from dataclasses import dataclass

from hedwig.reply import Reply


@dataclass(frozen=True, slots=True)
class Refused:
    """`reply`: 5yz, or 4yz with `retry_after`: seconds until a quota has room."""

    reply: Reply
    retry_after: int = 0
