"""What must not be kept: passwords in the text of a site.toml."""

from __future__ import annotations

import re

BLANK = '"***"'
_SECRET = re.compile(
    r"""((?:^|[\s{,])["']?[A-Za-z0-9_-]*(?:password|password_hash|token|secret)["']?\s*=\s*)"""
    r"""(\"\"\".*?\"\"\"|'''.*?'''|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')""",
    re.DOTALL | re.MULTILINE,
)


_IN_URL = re.compile(r"""(://[^\s:/@"']*:)[^\s@"']+(?=@)""")


def without_secrets(toml: str) -> str:
    """The text with every password, token and secret blanked, those in a URL too, and all else as it was."""
    return _IN_URL.sub(r"\1***", _SECRET.sub(lambda found: found[1] + BLANK, toml))
