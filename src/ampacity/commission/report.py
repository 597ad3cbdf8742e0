"""The report of a commissioning: every value, as a page and for print, signed with the controller's key.

The signature is an Ed25519 signature (RFC 8032) over all bytes before it, in a comment at the end: any change breaks
it, and the file still opens everywhere.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
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
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)
from sqlalchemy import Engine, select

from ampacity.commission import bus
from ampacity.commission.dossier import Done
from ampacity.commission.guide import Guide, Task, Things
from ampacity.commission.selfcheck import Verdict
from ampacity.core.errors import AmpacityError
from ampacity.storage.database import upsert
from ampacity.storage.records import setting
from ampacity.storage.schema import settings
from ampacity.storage.transactions import keeping

SIGNING_KEY = "signing-key"
_BLOCK = re.compile(
    rb"\n(?:<!-- |% )ampacity-signature:1 key=([A-Za-z0-9+/=]{44}) signature=([A-Za-z0-9+/=]{88})(?: -->)?\n\Z"
)
_COLOURS = {Verdict.FINE: "#1b7f4b", Verdict.NOTE: "#9a6b00", Verdict.WRONG: "#c0262d", Verdict.UNKNOWN: "#5f6b76"}
_NUMBERS = re.compile(r"-?\d+(\.\d+)?( / -?\d+(\.\d+)?)+")
"""Numbers of several lines: `9.1 / 6.2`."""
_FONT, _BOLD = "AmpacitySans", "AmpacitySansBold"
_GREY = colors.HexColor("#44505c")
_MARGIN = 20 * mm

Words = Callable[..., str]
"""The text of a key, with what is to be filled in: `words("commission.clamp-turned", channel="L2")`."""


class ReportNotGenuine(AmpacityError):
    """A report was changed, or never signed."""

    code = "report-not-genuine"
    remedy = "Ask for the file as it was made. The app makes it anew under Settings, Commissioning."


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the report."""

    verdict: Verdict | None
    """None: it is a value, and no judgement."""
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
    disclaimer: Sequence[str]
    """Its text, and who accepted it."""
    page: str
    """At the foot of each page, with `{page}` and `{pages}` to fill in."""
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Whose report it is."""

    words: Words
    language: str

    def number(self, value: float) -> str:
        """At most six digits, with the language's decimal sign."""
        shown = f"{value:.6g}"
        return shown if self.language == "en" else shown.replace(".", ",")

    def said(self, key: str, params: Mapping[str, str | float | None]) -> str:
        """The text `commission.<key>`."""
        return self.words(f"commission.{key}", **{name: self._filled(value) for name, value in params.items()})

    def _filled(self, value: str | float | None) -> str:
        if value is None:
            return "–"
        if not isinstance(value, str):
            return self.number(value)
        return value.replace(".", ",") if self.language != "en" and _NUMBERS.fullmatch(value) else value


def report(
    guide: Guide,
    things: Things,
    reader: Reader,
    *,
    version: str,
    by: str,
    at: datetime,
    fingerprint: str,
    disclaimer: str,
    facts: Sequence[tuple[str, str]] = (),
) -> Report:
    """`disclaimer`: its text. `facts`: more about the site, by name. `fingerprint`: of the key that will sign it."""
    summary = (
        Row(verdict=Verdict.FINE, text=reader.said("report-ready", {}))
        if guide.ready
        else Row(verdict=Verdict.WRONG, text=reader.said("report-open", {}))
    )
    accepted = things.disclaimer
    named = [] if accepted is None else [_accepted(reader, accepted, at)]
    return Report(
        title=reader.said("report-title", {"site": things.site.name}),
        facts=[
            (reader.said("report-at", {}), at.strftime("%Y-%m-%d %H:%M %Z")),
            (reader.said("report-by", {}), by),
            (reader.said("report-version", {}), version),
            (reader.said("report-key", {}), fingerprint),
            *facts,
        ],
        summary=summary,
        sections=[_section(task, things, reader, at) for task in guide.tasks],
        disclaimer=[disclaimer, *named],
        page=reader.said("report-page", {"page": "{page}", "pages": "{pages}"}),
        language=reader.language,
    )


def _section(task: Task, things: Things, reader: Reader, at: datetime) -> Section:
    title = reader.said(f"task-{task.code}", {})
    if task.charger is not None:
        title = f"{title}: {things.name_of(task.charger)}"
    rows = [Row(verdict=one.verdict, text=reader.said(one.code, one.params)) for one in task.findings]
    if task.done is None:
        if not rows:
            rows.append(Row(verdict=Verdict.UNKNOWN, text=reader.said("report-not-done", {})))
    elif task.code == "disclaimer":
        rows.append(Row(verdict=Verdict.FINE, text=_accepted(reader, task.done, at)))
    else:
        rows += _values(task.done, things, reader)
        done = {"by": task.done.by, "at": _when(task.done, at)}
        rows.append(Row(verdict=None, text=reader.said("report-done", done)))
    return Section(title=title, verdict=task.verdict, rows=rows)


def _accepted(reader: Reader, done: Done, at: datetime) -> str:
    return reader.said("report-accepted", {"by": done.by, "at": _when(done, at)})


def _when(done: Done, at: datetime) -> str:
    return datetime.fromtimestamp(done.at_s, at.tzinfo).strftime("%Y-%m-%d %H:%M")


def _values(done: Done, things: Things, reader: Reader) -> list[Row]:
    meters: dict[str, str] = {one.id: one.name for one in things.meters}
    chargers: dict[str, str] = {one: things.name_of(one) for one in things.chargers}
    return [Row(verdict=None, text=one) for one in values_in_words(done.values, reader, chargers, meters)]


def values_in_words(
    values: Mapping[str, float | str], reader: Reader, chargers: Mapping[str, str], meters: Mapping[str, str]
) -> list[str]:
    """All that was typed in, and what was noted beside it. `chargers`, `meters`: their names, by id."""
    told = []
    for key, value in values.items():
        if value == "":
            continue
        params: dict[str, str | float | None] = {"value": value}
        name, _, of = key.partition(".")
        if key == "ohm" and isinstance(value, float | int) and value >= bus.OVER_LIMIT_OHM:
            name = "open"
        elif name in ("rotary", "means_a"):
            params["charger"] = chargers.get(of, of)
        elif key not in _LABELS:
            params["meter"] = meters.get(name, name)
            params["line"] = of.removesuffix(".shown")
            name = "shown" if of.endswith(".shown") else "clamp"
        told.append(reader.said(f"value-{_LABELS.get(name, name)}", params))
    return told


_LABELS = {
    "ohm": "ohm",
    "open": "open",
    "position": "position",
    "rotary": "rotary",
    "means_a": "means",
    "vendor": "vendor",
    "model": "model",
    "firmware": "firmware",
    "cable": "cable",
    "section_mm2": "section",
    "note": "note",
}
"""By name of what was typed in, what its text is called."""


def as_html(one: Report) -> bytes:
    """One page that needs nothing else."""
    facts = "".join(f"<tr><th>{_e(name)}</th><td>{_e(value)}</td></tr>" for name, value in one.facts)
    sections = "".join(
        f'<section><h2><span style="color:{_COLOURS[section.verdict]}">{_mark(section.verdict)}</span> '
        f"{_e(section.title)}</h2><ul>" + "".join(_html_row(row) for row in section.rows) + "</ul></section>"
        for section in one.sections
    )
    disclaimer = "".join(f"<p>{_e(text)}</p>" for text in one.disclaimer)
    return f"""<!doctype html>
<html lang="{_e(one.language)}"><head><meta charset="utf-8"><title>{_e(one.title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{{font:16px/1.45 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#16202a}}
body{{background:#fff}}
h1{{font-size:1.6rem}}h2{{font-size:1.05rem;margin:1.4rem 0 .3rem}}ul{{list-style:none;padding:0;margin:0}}
li{{padding:.15rem 0 .15rem 1.4rem;text-indent:-1.4rem}}th{{text-align:left;padding-right:1rem;font-weight:600}}
li.value{{text-indent:0;color:#44505c}}
th,td{{vertical-align:top;overflow-wrap:anywhere}}.summary{{font-weight:600}}footer{{margin-top:2rem;color:#44505c}}
</style></head><body>
<h1>{_e(one.title)}</h1><table>{facts}</table>
<p class="summary" style="color:{_COLOURS[one.summary.verdict or Verdict.UNKNOWN]}">{_e(one.summary.text)}</p>
{sections}
<footer>{disclaimer}</footer>
</body></html>
""".encode()


def _html_row(row: Row) -> str:
    if row.verdict is None:
        return f'<li class="value">{_e(row.text)}</li>'
    return f'<li><span style="color:{_COLOURS[row.verdict]}">{_mark(row.verdict)}</span> {_e(row.text)}</li>'


def as_pdf(one: Report) -> bytes:
    """For print, on A4, its pages numbered."""
    _fonts()
    body = ParagraphStyle("body", fontName=_FONT, fontSize=9.5, leading=13, leftIndent=5 * mm, firstLineIndent=-5 * mm)
    cell = ParagraphStyle("cell", fontName=_FONT, fontSize=9.5, leading=13)
    bold = ParagraphStyle("bold", parent=cell, fontName=_BOLD)
    head = ParagraphStyle("head", parent=bold, fontSize=10.5, leading=14, spaceBefore=8, keepWithNext=1)
    title = ParagraphStyle("title", parent=bold, fontSize=17, leading=22, spaceAfter=8)
    small = ParagraphStyle("small", parent=cell, fontSize=8, leading=11, textColor=_GREY, spaceAfter=3)
    value = ParagraphStyle("value", parent=body, firstLineIndent=0, textColor=_GREY)
    table = Table(
        [[Paragraph(_e(name), bold), Paragraph(_e(text), cell)] for name, text in one.facts],
        colWidths=(48 * mm, 122 * mm),
        hAlign="LEFT",
    )
    table.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]))
    story: list[Flowable] = [Paragraph(_e(one.title), title), table, Spacer(1, 6)]
    story.append(Paragraph(_coloured(one.summary.verdict or Verdict.UNKNOWN, one.summary.text), bold))
    for section in one.sections:
        story.append(Paragraph(_coloured(section.verdict, _mark(section.verdict)) + " " + _e(section.title), head))
        for row in section.rows:
            if row.verdict is None:
                story.append(Paragraph(_e(row.text), value))
            else:
                story.append(Paragraph(_coloured(row.verdict, _mark(row.verdict)) + " " + _e(row.text), body))
    story += [Spacer(1, 10), *(Paragraph(_e(text), small) for text in one.disclaimer)]
    pages = _laid_out(one, story, pages=None)[1]
    return _laid_out(one, story, pages=pages)[0]


def _laid_out(one: Report, story: Sequence[Flowable], pages: int | None) -> tuple[bytes, int]:
    """The document, and how many pages it has. `pages`: what is written of that at the foot of each."""
    out, count = io.BytesIO(), 0

    def foot(canvas: Canvas, document: BaseDocTemplate) -> None:
        nonlocal count
        count = max(count, document.page)
        canvas.setFont(_FONT, 8)
        canvas.setFillColor(_GREY)
        numbered = one.page.replace("{page}", str(document.page)).replace("{pages}", str(pages or 0))
        canvas.drawRightString(A4[0] - _MARGIN, 10 * mm, numbered)
        canvas.drawString(_MARGIN, 10 * mm, one.title[:90])

    document = SimpleDocTemplate(
        out, pagesize=A4, title=one.title, lang=one.language, leftMargin=_MARGIN, rightMargin=_MARGIN
    )
    document.build(copy.deepcopy(list(story)), onFirstPage=foot, onLaterPages=foot)
    return out.getvalue(), count


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
    """The controller's own, made when it is first asked for; the same for all who ask at once.

    Raises:
        StorageError
    """
    if not (kept := setting(engine, SIGNING_KEY)):
        new = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
        )
        with keeping(engine) as connection:
            row = upsert(connection, settings, key=SIGNING_KEY, value=base64.b64encode(new).decode())
            connection.execute(row.on_conflict_do_nothing(index_elements=["key"]))
            kept = connection.execute(select(settings.c.value).where(settings.c.key == SIGNING_KEY)).scalar_one()
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(kept))


def fingerprint_of(key: Ed25519PublicKey) -> str:
    """SHA-256 of the raw key, as people compare it."""
    digest = hashlib.sha256(_raw(key)).hexdigest()[:32]
    return " ".join(digest[place : place + 4] for place in range(0, 32, 4))


def signed(content: bytes, key: Ed25519PrivateKey) -> bytes:
    """A report, with its signature."""
    return content + _block(content, _raw(key.public_key()), key.sign(content))


def verified(content: bytes) -> str:
    """The fingerprint of the key that signed it. Any byte that is another than it was made with is found.

    Raises:
        ReportNotGenuine
    """
    found = _BLOCK.search(content)
    if found is None:
        raise ReportNotGenuine("It has no signature of Ampacity at its end: it was cut, changed or never signed.")
    body = content[: found.start()]
    try:
        raw = base64.b64decode(found[1], validate=True)
        signature = base64.b64decode(found[2], validate=True)
        key = Ed25519PublicKey.from_public_bytes(raw)
        key.verify(signature, body)
    except (InvalidSignature, ValueError) as error:
        raise ReportNotGenuine("It was changed after it was signed.") from error
    if _block(body, raw, signature) != found[0]:
        # What says the same in other bytes was not made by us.
        raise ReportNotGenuine("Its signature was changed.")
    return fingerprint_of(key)


def _block(content: bytes, raw: bytes, signature: bytes) -> bytes:
    line = b"ampacity-signature:1 key=" + base64.b64encode(raw) + b" signature=" + base64.b64encode(signature)
    return b"\n% " + line + b"\n" if content.startswith(b"%PDF") else b"\n<!-- " + line + b" -->\n"


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
