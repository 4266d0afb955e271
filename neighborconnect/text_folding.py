"""Folding of look-alike characters to the letters that a reader sees; shared by the content models and the API's rules.

Confusables follow the idea of Unicode Technical Standard 39; the table has those that write English words.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

# Look-alikes by letter: Cyrillic, Greek, Armenian, Cherokee, small capitals, phonetic and turned letters, and Latin
# letters with strokes, which have no decomposition.
_LOOK_ALIKES: Final = {
    "A": "\u0391\u0410\u13aa",
    "B": "\u0392\u0412",
    "C": "\u0421\u13df",
    "D": "\u0110\u13a0",
    "E": "\u0395\u0415\u13ac",
    "H": "\u0126\u0397\u041d\u13bb",
    "I": "\u0399\u0406",
    "J": "\u0408",
    "K": "\u039a\u041a",
    "L": "\u0141\u13de",
    "M": "\u039c\u041c\u13b7",
    "N": "\u039d",
    "O": "\u00d8\u039f\u041e",
    "P": "\u03a1\u0420\u13e2",
    "R": "\u13d2",
    "S": "\u0405\u13da",
    "T": "\u0166\u03a4\u0422",
    "V": "\u13d9",
    "X": "\u03a7\u0425",
    "Y": "\u03a5\u0423",
    "Z": "\u0396",
    "a": "\u0250\u0251\u03b1\u0430\u1d00",
    "b": "\u0180\u0253\u0299\u03b2\u0432",
    "c": "\u0254\u0441\u1d04",
    "d": "\u00f0\u0111\u0257\u0501\u1d05",
    "e": "\u01dd\u0247\u03b5\u0435\u1d07",
    "f": "\u025f\ua730",
    "g": "\u0261\u0262\u0581",
    "h": "\u0127\u0265\u029c\u043d\u04bb\u0570",
    "i": "\u0131\u0268\u0269\u026a\u03b9\u0456\u1d09",
    "j": "\u0249\u0458\u1d0a",
    "k": "\u029e\u03ba\u043a\u1d0b",
    "l": "\u0142\u019a\u029f",
    "m": "\u026f\u0271\u043c\u1d0d",
    "n": "\u0273\u0274\u03b7\u043f\u0578",
    "o": "\u00f8\u0275\u03bf\u03c3\u043e\u0585\u1d0f",
    "p": "\u03c1\u0440\u1d18",
    "q": "\u051b",
    "r": "\u024d\u0279\u027e\u0280\u0433\u044f",
    "s": "\u0282\u0455\ua731",
    "t": "\u0167\u0287\u0288\u03c4\u0442\u1d1b",
    "u": "\u0289\u03bc\u03c5\u0438\u057d\u1d1c",
    "v": "\u028b\u028c\u03bd\u1d20",
    "w": "\u028d\u03c9\u051d\u0561\u1d21",
    "x": "\u03c7\u0445",
    "y": "\u024f\u028e\u028f\u0443",
    "z": "\u0290\u1d22",
}
_LETTERS: Final = {look_alike: letter for letter, look_alikes in _LOOK_ALIKES.items() for look_alike in look_alikes}
# Letters in black circles and squares.
_ENCLOSED: Final = {
    start + place: chr(ord("a") + place) for start in (0x1F150, 0x1F170, 0x1F130) for place in range(26)
}
_DROPPED: Final = frozenset({"Mn", "Me", "Cf", "Co", "Cs"})
_WORD: Final = re.compile(r"\w+")
_LATIN: Final = re.compile("[A-Za-z]")
_SIMPLE_QUOTES: Final = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201b": "'", "\u00b4": "'", "`": "'"})
# Letters, marks and joiners of scripts in which a mark is a part of the word; their marks are not dropped.
_FIRST_COMPLEX, _LAST_COMPLEX = 0x0590, 0x1CFF


def fold(text: str) -> str:
    """Return a text with compatibility forms, look-alikes, combining marks and invisible characters folded.

    A look-alike is replaced only in a word that has a Latin letter, or in a text of Latin words and look-alikes alone,
    so that words of other scripts are not changed. Linear in the length of the text.
    """
    text = html.unescape(text) if "&" in text else text
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKD", text.translate(_ENCLOSED)).translate(_SIMPLE_QUOTES)
    text = "".join(
        letter
        for letter in text
        if _FIRST_COMPLEX <= ord(letter) <= _LAST_COMPLEX or unicodedata.category(letter) not in _DROPPED
    )
    if not text.isascii():
        others = {letter for word in _WORD.findall(text) if not _LATIN.search(word) for letter in word}
        is_latin = _LATIN.search(text) is not None and all(letter.isascii() or letter in _LETTERS for letter in others)
        text = _WORD.sub(lambda word: _folded_word(word[0], is_latin=is_latin), text)
    return unicodedata.normalize("NFC", text)


def _folded_word(word: str, *, is_latin: bool) -> str:
    if word.isascii() or (not is_latin and _LATIN.search(word) is None):
        return word
    return "".join(_LETTERS.get(letter, letter) for letter in word)
