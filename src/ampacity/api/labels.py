"""The QR codes of chargers, and a sheet of labels that any browser prints."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import segno

from ampacity.api.machine import app_url
from ampacity.config.charger_code import code_of, link_of, parts_of
from ampacity.config.installation import ChargerConnection, Installation
from ampacity.web.texts import text

Paper = Literal["a4", "letter"]
COLUMNS, ROWS = 3, 8
LONG = 22
"""A code of more characters is set smaller."""
_ANYWHERE = ("0.0.0.0", "::", "")

_STYLE = """
@page { margin: 0 }
* { box-sizing: border-box }
body { margin: 0; background: #fff; color: #000; font: 8pt/1.25 system-ui, sans-serif }
section { display: grid; grid-template-columns: repeat(3, 1fr); break-after: page; overflow: hidden }
section:last-child { break-after: auto }
.a4 { width: 210mm; height: 296.5mm; padding: 4.5mm 0; grid-template-rows: repeat(8, 36mm) }
.letter { width: 215.9mm; height: 278.9mm; padding: 12.7mm 0; grid-template-rows: repeat(8, 31.7mm) }
article { display: flex; align-items: center; gap: 1mm; padding: 2mm 3mm 2mm 2mm; overflow: hidden }
article svg { flex: none; width: 27mm; height: 27mm }
h2 { margin: 0 0 .5mm; font-size: 11pt; line-height: 1.1; overflow-wrap: anywhere }
p { margin: 0 }
code { display: block; margin-top: 1mm; font: bold 11pt/1.15 ui-monospace, monospace }
code span { display: inline-block; white-space: break-spaces; word-break: break-all }
code.long { font-size: 8pt }
@media screen { section { margin: 8mm auto; outline: 1px solid #999 } article { outline: 1px dashed #ccc } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

SHEET_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of a sheet: its own style, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What stands on a charger."""

    charger: str
    name: str
    """For people."""
    ocpp_id: str
    code: str
    link: str | None
    """The same as an address of the app; None: its address is not known."""

    @property
    def content(self) -> str:
        """Of the QR code: what a phone's camera can open, where there is such a thing."""
        return self.link or self.code


def label_of(installation: Installation, connection: ChargerConnection, base_url: str | None) -> Label:
    """
    Raises:
        NoIdentity: its identity can't be made into a code.
    """
    return Label(
        charger=connection.charger,
        name=installation.name_of(connection.charger),
        ocpp_id=connection.ocpp_id,
        code=code_of(connection.ocpp_id),
        link=None if base_url is None else link_of(connection.ocpp_id, base_url),
    )


def lasting_url(installation: Installation) -> str | None:
    """An address of the app that is good for what is printed: one that the installer gave. None: none was given, and
    the address that the machine has today may be another's tomorrow."""
    app = installation.app
    if not app.enabled or (not app.host_names and app.listen in _ANYWHERE):
        return None
    return app_url(tls=app.tls, listen=app.listen, port=app.port, names=app.host_names)


def qr_file(content: str, kind: Literal["svg", "png"]) -> bytes:
    """The QR code as a picture, with the quiet zone that the standard asks for."""
    out = io.BytesIO()
    segno.make(content, error="m", micro=False).save(out, kind=kind, scale=10, border=4)
    return out.getvalue()


def label_sheet(site: str, labels: Sequence[Label], *, paper: Paper = "a4", language: str = "en") -> str:
    """An HTML page of labels, 24 on each sheet: of 70 by 36 mm on A4."""
    each = COLUMNS * ROWS
    sheets = [labels[start : start + each] for start in range(0, len(labels), each)]
    scan = escape(text(language, "labels.scan"))
    body = "\n".join(
        f'<section class="{paper}">\n{"".join(_label(site, one, scan) for one in sheet)}</section>' for sheet in sheets
    )
    return (
        f'<!doctype html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(text(language, 'labels.title', site=site))}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _label(site: str, label: Label, scan: str) -> str:
    picture = segno.make(label.content, error="m", micro=False).svg_inline(omitsize=True, border=2)
    size = ' class="long"' if len(label.code) > LONG else ""
    code = "".join(f"<span>{escape(part)}</span>" for part in parts_of(label.code))
    return (
        f"<article>{picture}<div><h2>{escape(label.name)}</h2><p>{escape(site)}</p><p>{scan}</p>"
        f"<code{size}>{code}</code></div></article>\n"
    )
