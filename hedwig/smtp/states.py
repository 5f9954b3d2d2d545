"""The states of a conversation with one host, and the stage that each belongs to. Pure."""

import enum

from hedwig.reply import Stage


class State(enum.Enum):
    """What the session waits for. In HANDSHAKE, READY, BODY and CLOSED no reply is due."""

    BANNER = enum.auto()
    EHLO = enum.auto()
    HELO = enum.auto()
    STARTTLS = enum.auto()
    HANDSHAKE = enum.auto()
    AUTH = enum.auto()
    READY = enum.auto()
    RSET = enum.auto()
    MAIL = enum.auto()
    RCPT = enum.auto()
    DATA = enum.auto()
    BODY = enum.auto()
    DOT = enum.auto()
    LONE_DOT = enum.auto()
    QUIT = enum.auto()
    CLOSED = enum.auto()


STAGES = {
    State.BANNER: Stage.BANNER,
    State.EHLO: Stage.EHLO,
    State.HELO: Stage.EHLO,
    State.STARTTLS: Stage.STARTTLS,
    State.HANDSHAKE: Stage.STARTTLS,
    State.AUTH: Stage.AUTH,
    State.READY: Stage.MAIL,
    State.RSET: Stage.MAIL,
    State.MAIL: Stage.MAIL,
    State.RCPT: Stage.RCPT,
    State.DATA: Stage.DATA,
    State.BODY: Stage.DATA,
    State.DOT: Stage.DOT,
    State.LONE_DOT: Stage.DATA,
    State.QUIT: Stage.QUIT,
    State.CLOSED: Stage.QUIT,
}
OPENING = {State.BANNER, State.EHLO, State.HELO, State.STARTTLS, State.HANDSHAKE, State.AUTH}
IDLE = {State.READY, State.QUIT, State.CLOSED}
