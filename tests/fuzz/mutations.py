"""Hostile texts: the real replies and files of the other tests, mutated as networks, people and locales do it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
#: What is put somewhere into a text.
TOKENS = (
    *("", "\0", "\r", "\n", "\r\n", "\t", "\f", "\x1b[31m", "\ufeff", "\u00a0", "\u202f", "\u2028", "\ud800"),
    *("²", "٣", "１", "½", "Ⅷ", "é", "状態", "Состояние", "İ", "ß", "\u202e", "😀", "e\u0301"),
    *("9" * 25, "9" * 5000, "-1", "0", "1e400", "NaN", "Infinity", "1,2,3", "1.2.3", "1'234", "1 234", "00:99:99"),
    *("ORA-00600", "ORA-99999: x", "OGG-00000", "ERROR", "N/A", "unknown", "%", "{}", "[]", "null", "true", '"', "'"),
    *(
        "; touch owned",
        "$(id)",
        "`id`",
        "' or '1'='1",
        "--",
        "/*",
        "*/",
        "<script>",
        "&amp;",
        "|",
        "\\",
        "../..",
        "${X}",
    ),
    *(
        "[" * 3000,
        '{"a":' * 3000,
        "- " * 3000,
        "A" * 3000,
        "((((((((((((((((((((",
        "[[[[[[[[[[[[[[[[[[[[",
        " " * 3000,
        "a:\n" * 50,
    ),
)
#: Digits and signs of other locales.
LOCALES = (
    {"0123456789"[i]: "٠١٢٣٤٥٦٧٨٩"[i] for i in range(10)},
    {"0123456789"[i]: "０１２３４５６７８９"[i] for i in range(10)},
    {",": ".", ".": ","},
    {",": "\u202f"},
    {":": "："},
    {"i": "İ", "s": "ß", "I": "ı"},
    {'"': "„"},
    {" ": "\u00a0"},
    {"\n": "\r\n"},
    {"\n": "\r"},
)
#: How a text is written and read again by a program with another idea of its encoding.
ENCODINGS = (("utf-8", "latin-1"), ("cp1252", "utf-8"), ("utf-16", "latin-1"), ("utf-8", "ascii"))


@cache
def samples_of(*files: str) -> tuple[str, ...]:
    """Texts of some length in the given files: string literals of tests, the whole of other files.

    :param files: paths below the repository.
    """
    found: list[str] = []
    for file in files:
        text = (ROOT / file).read_text()
        if not file.endswith(".py"):
            found.append(text)
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) > 20:
                found.append(node.value)
    assert found, files
    return tuple(dict.fromkeys(found))


@st.composite
def mutated(draw: st.DrawFn, samples: tuple[str, ...]) -> str:
    """A sample after up to six mutations; now and then any text."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.text(max_size=200))
    text = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(0, 6))):
        text = _once(draw, text, samples)
    return text[:70_000]


def _once(draw: st.DrawFn, text: str, samples: tuple[str, ...]) -> str:
    at = draw(st.integers(0, len(text)))
    to = min(len(text), at + draw(st.integers(0, 80)))
    lines = text.split("\n")
    match draw(st.integers(0, 9)):
        case 0:
            return text[:at] + text[to:]
        case 1:
            return text[:to] + text[at:to] * draw(st.integers(1, 5)) + text[to:]
        case 2:
            return text[:at]
        case 3:
            return text[:at] + draw(st.sampled_from(TOKENS)) + text[at:]
        case 4:
            return text[:at] + draw(st.sampled_from(TOKENS)) + text[to:]
        case 5:
            one, other = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
            lines[one], lines[other] = lines[other], lines[one]
            return "\n".join(lines)
        case 6:
            table = str.maketrans(draw(st.sampled_from(LOCALES)))
            return text[:at] + text[at:].translate(table) if draw(st.booleans()) else text.translate(table)
        case 7:
            wrote, read = draw(st.sampled_from(ENCODINGS))
            return text.encode(wrote, "replace").decode(read, "replace")
        case 8:
            return text[:at] + draw(st.sampled_from(samples)) + text[at:]
        case _:
            return text.upper() if draw(st.booleans()) else text.swapcase()
