"""The report of a commissioning: every value, as a page and for print, signed with the controller's key.

The signature is an Ed25519 signature (RFC 8032) over all bytes before it, in a comment at the end: any change breaks
it, and the file still opens everywhere.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import matplotlib
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle
from sqlalchemy import Engine

from ampacity.commission.guide import Guide, Task, Things
from ampacity.commission.selfcheck import Verdict
from ampacity.core.errors import AmpacityError
from ampacity.storage.records import put_setting, setting
from ampacity.storage.transactions import keeping

SIGNING_KEY = "signing-key"
_BLOCK = re.compile(
    rb"\n(?:<!-- |% )ampacity-signature:1 key=([A-Za-z0-9+/=]{44}) signature=([A-Za-z0-9+/=]{88})(?: -->)?\n\Z"
)
_COLOURS = {Verdict.FINE: "#1b7f4b", Verdict.NOTE: "#9a6b00", Verdict.WRONG: "#c0262d", Verdict.UNKNOWN: "#5f6b76"}
_FONT, _BOLD = "AmpacitySans", "AmpacitySansBold"

Words = Callable[..., str]
"""The text of a key, with what is to be filled in: `words("commission.clamp-turned", channel="L2")`."""


class ReportNotGenuine(AmpacityError):
    """A report was changed, or never signed."""

    code = "report-not-genuine"
    remedy = "Ask for the file as it was made; the app makes it anew under Settings, Commissioning."


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the report."""

    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A task, as it was done."""

    title: str
    verdict: Verdict
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What it says, in the reader's language."""

    title: str
    facts: Sequence[tuple[str, str]]
    summary: Row
    sections: Sequence[Section]
    disclaimer: str
    language: str


def report(
    guide: Guide,
    things: Things,
    words: Words,
    *,
    language: str,
    version: str,
    by: str,
    at: datetime,
    fingerprint: str,
    facts: Sequence[tuple[str, str]] = (),
) -> Report:
    """`facts`: more about the site, by name. `fingerprint`: of the key that will sign it."""
    summary = (
        Row(verdict=Verdict.FINE, text=words("commission.report-ready"))
        if guide.ready
        else Row(verdict=Verdict.WRONG, text=words("commission.report-open"))
    )
    return Report(
        title=words("commission.report-title", site=things.site.name),
        facts=[
            (words("commission.report-at"), at.strftime("%Y-%m-%d %H:%M %Z")),
            (words("commission.report-by"), by),
            (words("commission.report-version"), version),
            (words("commission.report-key"), fingerprint),
            *facts,
        ],
        summary=summary,
        sections=[_section(task, things, words, at) for task in guide.tasks],
        disclaimer=words("disclaimer.1"),
        language=language,
    )


def _section(task: Task, things: Things, words: Words, at: datetime) -> Section:
    title = words(f"commission.task-{task.code}")
    if task.charger is not None:
        title = f"{title}: {things.charger_names.get(task.charger, task.charger)}"
    rows = [Row(verdict=one.verdict, text=words(f"commission.{one.code}", **one.params)) for one in task.findings]
    if task.done is not None:
        when = datetime.fromtimestamp(task.done.at_s, at.tzinfo).strftime("%Y-%m-%d %H:%M")
        said = words("commission.report-done", by=task.done.by, at=when)
        values = ", ".join(f"{key}: {value}" for key, value in task.done.values.items() if value != "")
        rows.append(Row(verdict=Verdict.FINE, text=f"{said} {values}".strip()))
    elif not rows:
        rows.append(Row(verdict=Verdict.UNKNOWN, text=words("commission.report-not-done")))
    return Section(title=title, verdict=task.verdict, rows=rows)


def as_html(one: Report) -> bytes:
    """One page that needs nothing else."""
    facts = "".join(f"<tr><th>{_e(name)}</th><td>{_e(value)}</td></tr>" for name, value in one.facts)
    sections = "".join(
        f'<section><h2><span style="color:{_COLOURS[section.verdict]}">{_mark(section.verdict)}</span> '
        f"{_e(section.title)}</h2><ul>"
        + "".join(
            f'<li><span style="color:{_COLOURS[row.verdict]}">{_mark(row.verdict)}</span> {_e(row.text)}</li>'
            for row in section.rows
        )
        + "</ul></section>"
        for section in one.sections
    )
    return f"""<!doctype html>
<html lang="{_e(one.language)}"><head><meta charset="utf-8"><title>{_e(one.title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{{font:16px/1.45 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#16202a}}
body{{background:#fff}}
h1{{font-size:1.6rem}}h2{{font-size:1.05rem;margin:1.4rem 0 .3rem}}ul{{list-style:none;padding:0;margin:0}}
li{{padding:.15rem 0 .15rem 1.4rem;text-indent:-1.4rem}}th{{text-align:left;padding-right:1rem;font-weight:600}}
th,td{{vertical-align:top;overflow-wrap:anywhere}}.summary{{font-weight:600}}footer{{margin-top:2rem;color:#44505c}}
</style></head><body>
<h1>{_e(one.title)}</h1><table>{facts}</table>
<p class="summary" style="color:{_COLOURS[one.summary.verdict]}">{_e(one.summary.text)}</p>
{sections}
<footer><p>{_e(one.disclaimer)}</p></footer>
</body></html>
""".encode()


def as_pdf(one: Report) -> bytes:
    """For print, on A4."""
    _fonts()
    body = ParagraphStyle("body", fontName=_FONT, fontSize=9.5, leading=13)
    bold = ParagraphStyle("bold", parent=body, fontName=_BOLD)
    head = ParagraphStyle("head", parent=bold, fontSize=10.5, leading=14, spaceBefore=8)
    title = ParagraphStyle("title", parent=bold, fontSize=17, leading=22, spaceAfter=8)
    small = ParagraphStyle("small", parent=body, fontSize=8, leading=11, textColor=colors.HexColor("#44505c"))
    table = Table(
        [[Paragraph(_e(name), bold), Paragraph(_e(value), body)] for name, value in one.facts],
        colWidths=(48 * mm, 122 * mm),
        hAlign="LEFT",
    )
    table.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]))
    story: list[Flowable] = [Paragraph(_e(one.title), title), table, Spacer(1, 6)]
    story.append(Paragraph(_coloured(one.summary.verdict, one.summary.text), bold))
    for section in one.sections:
        story.append(Paragraph(_coloured(section.verdict, _mark(section.verdict)) + " " + _e(section.title), head))
        story += [
            Paragraph(_coloured(row.verdict, _mark(row.verdict)) + " " + _e(row.text), body) for row in section.rows
        ]
    story += [Spacer(1, 10), Paragraph(_e(one.disclaimer), small)]
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out, pagesize=A4, title=one.title, lang=one.language, leftMargin=20 * mm, rightMargin=20 * mm
    )
    document.build(story)
    return out.getvalue()


def _fonts() -> None:
    if _FONT not in pdfmetrics.getRegisteredFontNames():
        folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        pdfmetrics.registerFont(TTFont(_FONT, str(folder / "DejaVuSans.ttf")))
        pdfmetrics.registerFont(TTFont(_BOLD, str(folder / "DejaVuSans-Bold.ttf")))


def _coloured(verdict: Verdict, text: str) -> str:
    return f'<font color="{_COLOURS[verdict]}">{_e(text)}</font>'


def _mark(verdict: Verdict) -> str:
    return {Verdict.FINE: "✓", Verdict.NOTE: "•", Verdict.WRONG: "✗", Verdict.UNKNOWN: "?"}[verdict]


def _e(text: str) -> str:
    return html.escape(text, quote=True)


# --- the signature ---


def signing_key(engine: Engine) -> Ed25519PrivateKey:
    """The controller's own, made when it is first asked for.

    Raises:
        StorageError
    """
    kept = setting(engine, SIGNING_KEY)
    if kept:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(kept))
    key = Ed25519PrivateKey.generate()
    raw = key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    with keeping(engine) as connection:
        put_setting(connection, SIGNING_KEY, base64.b64encode(raw).decode())
    return key


def fingerprint_of(key: Ed25519PublicKey) -> str:
    """SHA-256 of the raw key, as people compare it."""
    digest = hashlib.sha256(_raw(key)).hexdigest()[:32]
    return " ".join(digest[place : place + 4] for place in range(0, 32, 4))


def signed(content: bytes, key: Ed25519PrivateKey) -> bytes:
    """A report, with its signature."""
    public = base64.b64encode(_raw(key.public_key()))
    signature = base64.b64encode(key.sign(content))
    line = b"ampacity-signature:1 key=" + public + b" signature=" + signature
    if content.startswith(b"%PDF"):
        return content + b"\n% " + line + b"\n"
    return content + b"\n<!-- " + line + b" -->\n"


def verified(content: bytes) -> str:
    """The fingerprint of the key that signed it.

    Raises:
        ReportNotGenuine
    """
    found = _BLOCK.search(content)
    if found is None:
        raise ReportNotGenuine("It has no signature of Ampacity at its end: it was cut, changed or never signed.")
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(found[1]))
        key.verify(base64.b64decode(found[2]), content[: found.start()])
    except (InvalidSignature, ValueError) as error:  # or there is no key of such bytes
        raise ReportNotGenuine("It was changed after it was signed.") from error
    return fingerprint_of(key)


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
