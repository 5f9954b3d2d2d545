"""The mail that carries a report (RFC 8460 §5.3): multipart/report with a sentence for people and the report itself.

It has to arrive though the receiver's TLS be broken: that is what it tells of. So it says TLS-Required: No (RFC 8689),
by which no policy of the receiver holds it up. It has a sender like any letter, not the null one: receivers take a
report only from who can be known (by SPF, or by DKIM).
"""

import base64

from hedwig.message import date
from hedwig.tlsrpt import Reporter
from hedwig.tlsrpt.report import Report


def build(report: Report, reporter: Reporter, to: str, queue_id: str, now: float) -> bytes:
    """The letter as it goes to the wire, CRLF line ends throughout, 7 bits."""
    boundary = f"=_{queue_id}"
    submitter = reporter.domain
    lines = [
        f"From: <{reporter.contact}>",
        f"To: <{to}>",
        f"Subject: Report Domain: {report.domain}",
        f" Submitter: {submitter}",
        f" Report-ID: <{report.report_id}>",
        f"Date: {date(now)}",
        f"Message-ID: <{queue_id}@{submitter}>",
        f"TLS-Report-Domain: {report.domain}",
        f"TLS-Report-Submitter: {submitter}",
        "TLS-Required: No",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type="tlsrpt"; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"This is a report on TLS with the mail servers of {report.domain}, by",
        f"{submitter}: {report.successes} sessions went well, {report.failures} failed.",
        "",
        f"--{boundary}",
        "Content-Type: application/tlsrpt+gzip",
        "Content-Transfer-Encoding: base64",
        "Content-Disposition: attachment;",
        f' filename="{report.filename}"',
        "",
        *base64.encodebytes(report.content).decode("ascii").splitlines(),
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(lines).encode("ascii")
