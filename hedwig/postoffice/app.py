"""The HTTP interface (DESIGN §5) as a WSGI application on bottle.

    POST /          the original form: fqdn, key, email, perhaps id. 200 {"id": ...}
    POST /v1/batch  what mailman uses: HTTP Basic and frames. 200 {"verdicts": [...]}
    GET /healthz    200, or 503 where the spool can't be written

Every error is JSON: code, status (enhanced), error (a sentence). A key is checked before anything else is looked at,
so that who is a stranger learns nothing more than 401.

bottle's own reading of forms is not used (it is bounded by MEMFILE_MAX, in memory): `wsgi.input` is read here as a
stream; waitress has put it in a file where it is large. Of forms over 1 MiB, and batches with so much of addresses,
LARGE_AT_A_TIME are decoded at once, forms from file to file, and one at a time is made whole in memory. An exception
that nobody foresaw is 503 and one line in the log, never a 500 (I8).
"""

import base64
import binascii
import json
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any
from wsgiref.types import StartResponse, WSGIEnvironment

import bottle

from hedwig import log, queueid
from hedwig.envelope import digest
from hedwig.message import MessageRefused, Trace, complete
from hedwig.options import BadOption, Submitter
from hedwig.postoffice.accept import Acceptance, Verdict
from hedwig.postoffice.afterwards import Later, answered, at_once, later
from hedwig.postoffice.batch import frames
from hedwig.postoffice.clients import Clients, KeyExpired, may_call
from hedwig.postoffice.forms import LONG, PIECE, SHORT, Form
from hedwig.postoffice.letter import Letter, read_letter
from hedwig.postoffice.refusal import Refusal, Unacceptable, as_http, malformed
from hedwig.postoffice.strangers import Strangers
from hedwig.postoffice.submission import Submission, envelope_of, in_file, needs_smtputf8
from hedwig.reply import Reply
from hedwig.settings import MIB, Client, Postoffice
from hedwig.spool import Body, Bytes
from hedwig.wishes import Reading, TooLate, of_form, refuse_misnamed

LARGE = 1 * MIB
LARGE_AT_A_TIME = 2
THREADS_LEFT = 8  # that many never work on large forms, nor wait for their turn to do so

Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Room:
    """What the application works with. `health` gives "" or the trouble with the spool; `queue` tells of the queue."""

    settings: Callable[[], Postoffice]
    clients: Clients
    acceptance: Acceptance
    health: Callable[[], str]
    queue: Callable[[], str]
    hostname: str
    clock: Callable[[], float]


def application(room: Room) -> Application:
    """The WSGI application."""
    interface = _Interface(room)
    app = bottle.Bottle(catchall=False)
    app.route("/", "POST", interface.form)
    app.route("/v1/batch", "POST", interface.batch)
    app.route("/healthz", "GET", interface.health)
    app.default_error_handler = _bottle_error

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            answer: Iterable[bytes] = app(environ, start_response)
        except Exception as error:  # noqa: BLE001 -- the last line of defence: whatever it is, it is our fault (I8)
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
            text = f"a request could not be served: {type(error).__name__} at {where}: {error}"
            log.event(log.Matter.FAULT, text, log.Level.ERROR, reason=repr(error))
            refusal = Refusal(503, "4.3.0", "something is wrong with this postoffice; its log says what", 30)
            start_response("503 Service Unavailable", list(refusal.headers().items()), sys.exc_info())
            answer = [refusal.body()]
        return answered(environ, answer)

    return guarded


class _Interface:
    """The three handlers."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._large = threading.BoundedSemaphore(LARGE_AT_A_TIME)
        self._may_wait = threading.BoundedSemaphore(max(LARGE_AT_A_TIME, room.settings().threads - THREADS_LEFT))
        self._whole = threading.Lock()
        self._strangers = Strangers(room.clock)

    def form(self) -> Any:
        """`POST /`."""
        try:
            with ExitStack() as held:
                if _is_large():
                    held.enter_context(self._turn())
                return self._form()
        except Refusal as refusal:
            return _refused(refusal)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Be one of the LARGE_AT_A_TIME that may use much memory; waits for that, or Refusal (503)."""
        if not self._may_wait.acquire(blocking=False):
            raise Refusal(503, "4.3.2", "too many large messages at once: try again soon", retry_after=5)
        try:
            with self._large:
                yield
        finally:
            self._may_wait.release()

    def _form(self) -> Any:
        form = Form.read(_input(), bottle.request.environ.get("CONTENT_TYPE", ""))
        try:
            # A key that was put into a file has a line end behind it; no name or key has white space in it.
            client = self._client(form.short.get("fqdn", "").strip(), form.short.get("key", "").strip())
            refuse_misnamed(form.others, (*SHORT, LONG))
            queue_id = form.short.get("id", "") or queueid.new(self._room.clock())
            if not queueid.is_valid(queue_id):
                raise malformed("id must be a queue ID: 26 characters of Crockford's base 32, or be left out")
            if form.email is None:
                raise malformed("the form has no field email: a JSON object with mailfrom, rcpttos and data")
            letter = read_letter(form.email, self._room.settings().max_size)
            with letter.text:
                submission = self._submission(letter, client, form, queue_id)
        except Unacceptable as error:
            raise as_http(error.reply) from error
        except MessageRefused as error:
            raise as_http(error.reply) from error
        except BadOption as error:
            raise Refusal(400, "5.4.7" if isinstance(error, TooLate) else "5.5.4", str(error)) from error
        finally:
            form.close()
        (verdict,) = self._room.acceptance.register(client, [submission], _later())
        if verdict.reply.code != 250:
            raise as_http(verdict.reply, verdict.conflict, verdict.retry_after)
        return _answer(200, {"id": queue_id})

    def _submission(self, letter: Letter, client: Client, form: Form, queue_id: str) -> Submission:
        """The message made whole. The digest is over what was submitted, so that a repeat is known again (I3)."""
        envelope = envelope_of(letter.mailfrom, letter.rcpttos, self._room.settings().max_recipients)
        submitted = digest(envelope, iter(lambda: letter.text.read(PIECE), b""))
        letter.text.seek(0)
        peer = str(bottle.request.environ.get("REMOTE_ADDR", ""))
        now = self._room.clock()
        again = "id" in form.short
        trace = Trace(queue_id, self._room.hostname, client.fqdn, peer, "HTTP", envelope, now, again=again)
        if letter.size <= LARGE:
            whole = complete(letter.text.read(), trace)
            body: Body = Bytes(whole.body)
        else:
            with self._whole:
                whole = complete(letter.text.read(), trace)
                body = in_file(whole.body)
                whole = whole._replace(body=b"")  # or its memory would be held when the next one has its turn
        return Submission(
            queue_id,
            envelope,
            body,
            submitted,
            needs_smtputf8(envelope),
            options=of_form(form.short, Reading(now, again), whole.options).bounded(len(envelope.rcpttos)),
            message_id=whole.message_id,
            submitter=Submitter(peer).packed(),
        )

    def batch(self) -> Any:
        """`POST /v1/batch`."""
        try:
            client = self._client(*_basic(bottle.request.environ.get("HTTP_AUTHORIZATION", "")))
            with ExitStack() as held:
                found = frames(_input(), self._room.settings(), lambda: held.enter_context(self._turn()))
                submissions = [frame.content for frame in found if isinstance(frame.content, Submission)]
                registered = iter(self._room.acceptance.register(client, submissions, _later()))
        except Refusal as refusal:
            return _refused(refusal)
        verdicts = []
        for frame in found:
            if isinstance(frame.content, Reply):
                verdicts.append(_verdict(Verdict(frame.queue_id, frame.content)))
            else:
                verdicts.append(_verdict(next(registered)))
        return _answer(200, {"verdicts": verdicts})

    def health(self) -> Any:
        """`GET /healthz`."""
        trouble = self._room.health() or self._room.acceptance.trouble() or self._room.clients.unread
        told = {"status": "trouble" if trouble else "ok", "spool": trouble or "ok", "queue": self._room.queue()}
        return _answer(503 if trouble else 200, told)

    def _client(self, fqdn: str, key: str) -> Client:
        peer = str(bottle.request.environ.get("REMOTE_ADDR", ""))
        try:
            client = self._room.clients.known(fqdn, key)
        except KeyExpired as error:
            self._strangers.tell(fqdn, peer)
            raise Refusal(401, "5.7.8", str(error)) from error
        if client is None and self._room.clients.unread:
            raise Refusal(503, "4.3.5", f"no key can be checked just now: {self._room.clients.unread}", retry_after=30)
        if client is None and self._room.clients.is_broken(fqdn):
            text = "the settings of this host have a fault: `hedwig config check` on the postoffice host names it"
            raise Refusal(503, "4.3.5", text, retry_after=30)
        if client is None:
            self._strangers.tell(fqdn, peer)
            raise Refusal(
                401, "5.7.8", "fqdn and key don't fit: run `hedwig key add FQDN` on the postoffice host, use its lines"
            )
        if client.allow and not may_call(client.allow, peer):
            self._strangers.tell(fqdn, peer)
            told = f"{client.fqdn} may not call from {peer or 'here'} ({client.where('allow')}: allow)"
            raise Refusal(403, "5.7.1", told)
        return client


def _input() -> IO[bytes]:
    stream: IO[bytes] = bottle.request.environ["wsgi.input"]
    return stream


def _is_large() -> bool:
    return int(bottle.request.environ.get("CONTENT_LENGTH") or 0) > LARGE


def _later() -> Later:
    """After the answer; but what is large is not kept in memory until then, beyond its turn."""
    return at_once if _is_large() else later(bottle.request.environ)


def _basic(header: str) -> tuple[str, str]:
    """Name and password of HTTP Basic (RFC 7617); empty ones where the header is none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, password


def _verdict(verdict: Verdict) -> dict[str, object]:
    reply = verdict.reply
    told: dict[str, object] = {
        "id": verdict.queue_id,
        "code": reply.code,
        "status": reply.status,
        "text": reply.text,
    }
    if verdict.retry_after:
        told["retry_after"] = verdict.retry_after
    return {**told, "conflict": True} if verdict.conflict else told


def _answer(code: int, told: Mapping[str, object]) -> Any:
    body = json.dumps(told).encode() + b"\n"
    return bottle.HTTPResponse(body, code, {"Content-Type": "application/json"})


def _refused(refusal: Refusal) -> Any:
    return bottle.HTTPResponse(refusal.body(), refusal.code, refusal.headers())


def _bottle_error(error: Any) -> bytes:
    """What bottle itself refuses: an unknown path, a wrong method."""
    sentence = {
        404: "there is nothing here: POST / or /v1/batch, GET /healthz",
        405: "this address takes another method: POST / or /v1/batch, GET /healthz",
    }.get(error.status_code, "the request can't be read")
    bottle.response.content_type = "application/json"
    return Refusal(error.status_code, "5.5.1", sentence).body()
