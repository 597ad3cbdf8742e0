"""Sends e-mail over SMTP. Blocks: for a thread of its own."""

from __future__ import annotations

import base64
import smtplib
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from enum import Enum

from ampacity.core.errors import AmpacityError

ANSWER_S = 15.0
"""For each answer of the server."""
LONGEST_SAID = 200


class Encryption(Enum):
    """How the connection is made secret."""

    TLS = "tls"
    """From the first byte; port 465."""
    STARTTLS = "starttls"
    """After a few words; port 587. Without it, nothing is sent."""
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail goes out, and to whom."""

    host: str
    port: int
    tls: Encryption
    user: str | None = None
    """None: without signing in."""
    password: str | None = field(default=None, repr=False)
    sender: str
    to: tuple[str, ...]
    """At least one."""


class MailFailed(AmpacityError):
    """It was not sent."""

    code = "mail-refused"
    remedy = "Check the sender and the recipients; the server's words are above."

    def __init__(self, what: str, *, remedy: str | None = None, lasting: bool = False) -> None:
        super().__init__(what, remedy=remedy)
        self.lasting = lasting
        """Another try would fail as well."""


class MailUnreachable(MailFailed):
    """Nobody answers there."""

    code = "mail-unreachable"
    remedy = "Check the server's name and port, and that this controller may reach it."


class MailInsecure(MailFailed):
    """The connection can't be made secret."""

    code = "mail-tls"
    remedy = "Check the kind of encryption and the port: mostly TLS on 465, or STARTTLS on 587."


class MailLoginRefused(MailFailed):
    """User or password."""

    code = "mail-login"
    remedy = "Check user and password. Many providers want a password made for programs."


def send(
    server: MailServer, subject: str, body: str, *, context: ssl.SSLContext | None = None, answer_s: float = ANSWER_S
) -> Sequence[str]:
    """Sends a plain text. `context`: whom TLS trusts; None: whom this machine does. Returns the recipients that were
    refused, where others were not.

    Raises:
        MailFailed: nobody got it.
    """
    message = _message(server, subject, body)
    try:
        smtp = _connected(server, context or ssl.create_default_context(), answer_s)
        try:
            if server.user is not None:
                _sign_in(smtp, server.user, server.password or "")
            refused = smtp.send_message(message, server.sender, list(server.to))
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()  # it has the mail, whatever it says now
        finally:
            smtp.close()
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise _told(server, error) from error
    return sorted(refused)


def _message(server: MailServer, subject: str, body: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = server.sender
    message["To"] = ", ".join(server.to)
    message["Subject"] = " ".join(subject.split())
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = make_msgid(domain=server.sender.rpartition("@")[2] or "localhost")
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answering machine answers
    message.set_content(body)
    return message


def _connected(server: MailServer, context: ssl.SSLContext, answer_s: float) -> smtplib.SMTP:
    name = "[127.0.0.1]"  # the machine's own name is nobody's business, and may take long to find
    if server.tls is Encryption.TLS:
        return smtplib.SMTP_SSL(server.host, server.port, name, timeout=answer_s, context=context)
    smtp = smtplib.SMTP(server.host, server.port, name, timeout=answer_s)
    if server.tls is Encryption.STARTTLS:
        try:
            smtp.starttls(context=context)
        except BaseException:
            smtp.close()
            raise
    return smtp


def _sign_in(smtp: smtplib.SMTP, user: str, password: str) -> None:
    if user.isascii() and password.isascii():
        smtp.login(user, password)
        return
    # RFC 4616: UTF-8, which smtplib refuses.
    smtp.ehlo_or_helo_if_needed()
    code, said = smtp.docmd("AUTH", "PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode())
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, said)


def _told(server: MailServer, error: Exception) -> MailFailed:
    where = f"The mail server {server.host}:{server.port}"
    match error:
        case ssl.SSLCertVerificationError():
            return MailInsecure(
                f"{where} shows a certificate that is not trusted ({error.verify_message}).",
                remedy="Use the name that stands on the certificate, or have its certificate put right.",
                lasting=True,
            )
        case ssl.SSLError():
            return MailInsecure(f"{where} does not speak TLS as it should ({error.reason or error}).", lasting=True)
        case smtplib.SMTPAuthenticationError():
            lasting = error.smtp_code >= 500
            return MailLoginRefused(f"{where} refused the sign-in ({_said(error)}).", lasting=lasting)
        case smtplib.SMTPNotSupportedError() if "STARTTLS" in str(error):
            return MailInsecure(f"{where} does not offer STARTTLS.", lasting=True)
        case smtplib.SMTPNotSupportedError():
            return MailLoginRefused(f"{where} can't do what is asked ({error}).", lasting=True)
        case smtplib.SMTPRecipientsRefused():
            code, said = next(iter(error.recipients.values()), (550, b""))
            return MailFailed(f"{where} refused every recipient ({_printable(said)}).", lasting=code >= 500)
        case smtplib.SMTPServerDisconnected() if "timed out" in str(error):
            return MailUnreachable(f"{where} does not answer.")
        case smtplib.SMTPServerDisconnected():
            return MailUnreachable(f"{where} hung up ({error}).")
        case smtplib.SMTPResponseException():
            return MailFailed(f"{where} refused the mail ({_said(error)}).", lasting=error.smtp_code >= 500)
        case TimeoutError():
            return MailUnreachable(f"{where} does not answer.")
        case OSError():
            return MailUnreachable(f"{where} can't be reached ({error.strerror or error}).")
    return MailFailed(f"{where} was not asked: the mail can't be written so ({error}).", lasting=True)


def _said(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {_printable(error.smtp_error)}".strip()


def _printable(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return "".join(one if one.isprintable() else " " for one in text)[:LONGEST_SAID].strip()
