"""Phone labels of aligners and dictionaries -> the phones that the performer knows.

ARPAbet (CMU dictionary, TIMIT; with stress digits) and IPA (Montreal Forced Aligner, espeak;
with length, stress, tie bars and diacritics) may stand side by side. What two mouth shapes make
(diphthongs, affricates) becomes two phones.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from .recording import Phone

SILENCE = "_"
STRESS_MARKS = "ˈˌ"
LENGTH_MARKS = "ːˑ"

#: The phones of `performer.PHONES` but for silence.
KNOWN = frozenset("ɑæaɐʌɒɔɛeɜɚəiɪᵻoʊupbmfvwɹszʃʒθðtdnlɾkɡgŋjhʔ")

#: Labels that stand for silence, breath or noise (compared in lower case).
SILENCES = frozenset(
    ("", "_", "sil", "silence", "sp", "spn", "spoken_noise", "pau", "pause", "h#", "epi", "#", "##",
     "<eps>", "<sil>", "<p:>", "<p>", "<nib>", "<usb>", "ns", "noise", "br", "breath", "lg", "cg",
     "[sil]", "(.)", "(..)", "...", "xx")
)  # fmt: skip

ARPABET: dict[str, str] = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AX": "ə", "AX-H": "ə", "AXR": "ɚ",
    "AY": "aɪ", "EH": "ɛ", "ER": "ɜ", "EY": "eɪ", "IH": "ɪ", "IX": "ᵻ", "IY": "i", "OW": "oʊ",
    "OY": "ɔɪ", "UH": "ʊ", "UW": "u", "UX": "u",
    "B": "b", "CH": "tʃ", "D": "d", "DH": "ð", "DX": "ɾ", "EL": "l", "EM": "m", "EN": "n",
    "ENG": "ŋ", "F": "f", "G": "ɡ", "HH": "h", "HV": "h", "JH": "dʒ", "K": "k", "L": "l", "M": "m",
    "N": "n", "NG": "ŋ", "NX": "n", "P": "p", "Q": "ʔ", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t",
    "TH": "θ", "V": "v", "W": "w", "WH": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
    # closures before a burst (TIMIT)
    "BCL": "b", "DCL": "d", "GCL": "ɡ", "KCL": "k", "PCL": "p", "TCL": "t",
}  # fmt: skip

#: IPA symbols outside the inventory -> the known ones that look most like them.
LOOKS_LIKE: dict[str, str] = {
    "ɝ": "ɜ", "ɘ": "ə", "ɵ": "ʊ", "ɞ": "ɜ", "ɨ": "ᵻ", "ɯ": "ᵻ", "ʉ": "u", "y": "u", "ʏ": "ʊ",
    "ø": "o", "œ": "ɔ", "ɶ": "ɔ", "ɤ": "ʌ", "ᵊ": "ə", "ᵿ": "ʊ",
    "r": "ɾ", "ɻ": "ɹ", "ʀ": "k", "ʁ": "k", "ɺ": "l", "ɽ": "ɾ", "ɫ": "l", "ɭ": "l", "ʎ": "l",
    "ʟ": "l", "ɬ": "l", "ɮ": "l", "ɲ": "n", "ɳ": "n", "ɴ": "ŋ", "ɱ": "v", "β": "b", "ɸ": "f",
    "ʋ": "v", "ⱱ": "v", "ʍ": "w", "ɥ": "w", "ɰ": "k", "ɕ": "ʃ", "ʑ": "ʒ", "ʂ": "ʃ", "ʐ": "ʒ",
    "ç": "j", "ʝ": "j", "x": "k", "ɣ": "k", "χ": "k", "ħ": "h", "ʕ": "h", "ɦ": "h", "q": "k",
    "ɢ": "ɡ", "c": "k", "ɟ": "ɡ", "ʈ": "t", "ɖ": "d", "ɓ": "b", "ɗ": "d", "ɠ": "ɡ",
    "ʧ": "tʃ", "ʤ": "dʒ", "ʦ": "ts", "ʣ": "dz", "ʨ": "tʃ", "ʥ": "dʒ",
}  # fmt: skip

# The CMU dictionary writes these two with the vowel of "cut" and "bird".
_UNSTRESSED = {"AH0": ("ə",), "ER0": ("ɚ",)}
_VOWELS = frozenset("ɑæaɐʌɒɔɛeɜɚəiɪᵻoʊu")
# What one label may stand for: a phone; a vowel that glides or ends in a liquid; an affricate. A
# word in the place of a phone is none of these as a rule.
_ONE_PHONE = re.compile(
    f"[{''.join(sorted(KNOWN))}]|[{''.join(sorted(_VOWELS))}][{''.join(sorted(_VOWELS))}jwɹln]{{1,2}}"
    "|ju|tʃ|dʒ|ts|dz|pf|tɹ|dɹ"
)
# Marks that a letter may carry: they change the sound more than the sight of it.
_SUPERSCRIPTS = frozenset("ʰʱʲʷˠˤⁿˡʼ˞˺̚")
# A diphthong stays longer on its first vowel.
_FIRST_SHARE = 0.6


def shapes_of(label: str) -> tuple[str, ...] | None:
    """Known phones that a label stands for, in order; () for silence, None if it is not known."""
    if label.strip().lower() in SILENCES:
        return ()
    plain = label.strip().rstrip("0123456789")
    # Single small letters are IPA (y is a rounded vowel there); capitals and pairs are ARPAbet.
    if plain in ARPABET:
        return tuple(ARPABET[plain])
    letters = _bare(plain)
    if len(plain) > 1 and plain.isascii() and plain.upper() in ARPABET:
        return tuple(ARPABET[plain.upper()])
    shapes = "".join(LOOKS_LIKE.get(letter, letter) for letter in letters)
    if not _ONE_PHONE.fullmatch(shapes):
        return None
    # A glide that ends a diphthong (aj, əw, as the Montreal aligner writes) is its second vowel.
    if len(shapes) == 2 and shapes[0] in _VOWELS and shapes[1] in "jw":
        shapes = shapes[0] + {"j": "ɪ", "w": "ʊ"}[shapes[1]]
    return tuple(shapes)


def _bare(label: str) -> str:
    """A label without stress, length, tone, tie bars and diacritics."""
    # Taken apart, this one letter would lose what makes it another sound.
    composed = unicodedata.normalize("NFC", label).replace("ç", "ʝ")
    decomposed = unicodedata.normalize("NFD", composed)
    return "".join(
        letter
        for letter in decomposed
        if not unicodedata.combining(letter)
        and letter not in _SUPERSCRIPTS
        and letter not in STRESS_MARKS + LENGTH_MARKS
        and unicodedata.category(letter) not in ("Sk", "Nd", "Po", "Pd")
    )


def _stressed(label: str) -> bool:
    return label.endswith("1") or STRESS_MARKS[0] in label


def to_shapes(phones: Sequence[Phone]) -> tuple[tuple[Phone, ...], tuple[str, ...]]:
    """Phones in any of the notations -> (phones that the performer knows, labels that it does not).

    An unknown label keeps its time and moves nothing.
    """
    out: list[Phone] = []
    unknown: set[str] = set()
    for phone in phones:
        shapes = shapes_of(phone.symbol)
        if shapes is None:
            unknown.add(phone.symbol)
            out.append(phone)
            continue
        stressed = phone.stressed or _stressed(phone.symbol)
        shapes = _UNSTRESSED.get(phone.symbol.upper(), shapes)
        length_s = phone.end_s - phone.start_s
        first = _FIRST_SHARE if len(shapes) == 2 and set(shapes) <= _VOWELS else None
        edges = [phone.start_s + length_s * i / max(len(shapes), 1) for i in range(len(shapes))]
        if first is not None:
            edges[1] = phone.start_s + first * length_s
        for i, shape in enumerate(shapes):
            end_s = edges[i + 1] if i + 1 < len(shapes) else phone.end_s
            out.append(Phone(shape, edges[i], end_s, stressed))
        if not shapes:
            out.append(Phone(SILENCE, phone.start_s, phone.end_s))
    return tuple(out), tuple(sorted(unknown))


def unknown_note(unknown: Sequence[str]) -> tuple[str, ...]:
    """What the report says of labels without a mouth shape."""
    return (f"no mouth shape for {' '.join(unknown)}",) if unknown else ()
