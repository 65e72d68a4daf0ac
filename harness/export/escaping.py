"""Foreign text made harmless: in GitHub's Markdown, and in the commands of its workflow log.

Names, errors and log lines come from scenarios and machines. None of them may end a table cell, open a tag, mention a
person, refer to an issue, or start a command.
"""

from __future__ import annotations

import re
import unicodedata

CUT = "…"
_BREAKS = "&#8203;"
"""A zero-width space: what GitHub looks for in rendered text (mentions, issues, emoji, addresses) is no longer in one piece."""
_SAFE = frozenset(" ,;()/'\"%+=?.-")
_KEPT = frozenset("\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}")
_REFERENCES = re.compile(r"@|#(?=\w)|\bGH-(?=\d)|:(?=[\w+-]+:)|:(?=//)|\bwww(?=\.)", re.IGNORECASE)


def flat(text: str, most: int = 400) -> str:
    """Return text on one line: white space becomes one space, what no reader can see becomes U+FFFD, the rest is cut at `most`."""
    seen = "".join(_visible(sign) for sign in text[: 4 * most])
    words = " ".join(seen.split())
    return words if len(words) <= most else words[: most - 1].rstrip() + CUT


def _visible(sign: str) -> str:
    category = unicodedata.category(sign)
    hidden = category in {"Cc", "Cs"} or (category == "Cf" and sign not in _KEPT)
    return " " if sign.isspace() else "\N{REPLACEMENT CHARACTER}" if hidden else sign


def prose(text: str, most: int = 400) -> str:
    """Return text for GitHub's Markdown, tables included, that shows as it is and refers to nothing."""
    parts, end = [], 0
    plain = flat(text, most)
    for match in _REFERENCES.finditer(plain):
        parts += [_entities(plain[end : match.end()]), _BREAKS]
        end = match.end()
    return "".join([*parts, _entities(plain[end:])])


def code(text: str, most: int = 200) -> str:
    """Return text for GitHub's Markdown in a code font; GitHub looks for no references there, so it copies exactly."""
    return f"<code>{_entities(flat(text, most))}</code>"


def _entities(plain: str) -> str:
    """Write every sign that Markdown or HTML may read otherwise as a character reference."""
    return "".join(
        sign if sign.isalnum() or sign in _SAFE or ord(sign) > 127 else f"&#{ord(sign)};" for sign in plain
    )


def link(label: str, address: str) -> str:
    """Return a link if the address is one that browsers may open, else both as text."""
    if not re.match(r"https?://[^\s<>\"\\^`{|}]+$", address):
        return f"{label}: {code(address)}" if address else ""
    # a bracket would end the link, an asterisk or underscore cannot
    return f"[{label}]({address.replace('(', '%28').replace(')', '%29')})"


def command_data(text: str) -> str:
    """Escape the message of a workflow command (actions/toolkit, command.ts)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str) -> str:
    """Escape a property of a workflow command, such as its title."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")
