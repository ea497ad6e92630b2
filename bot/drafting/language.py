"""Which language a text is in: scripts first, a statistical model for those that several languages share."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier  # type: ignore[import-untyped]  # it ships no types

UNDETERMINED = "und"
"""ISO 639-2's code for a text whose language cannot be told."""

LANGUAGES = tuple("ar de en es fr hi id it ja ko nl pl pt ru th tr uk vi zh".split())
"""What is told apart unless asked otherwise: a closed set is both faster and more often right than every language."""

MAX_CHARACTERS = 600
"""More of a text does not make its language clearer."""

log = logging.getLogger("herald.language")

_MIN_LETTERS = 4
_MIN_PROBABILITY = 0.3
_NOISE = re.compile(r"https?://\S+|www\.\S+|<[@#!&][^>]*>|@\w+|\S+@\S+\.\w+", re.IGNORECASE)
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d]")
_SCRIPTS = (
    ("ko", re.compile(r"[\uac00-\ud7af\u1100-\u11ff\u3130-\u318f]")),
    ("th", re.compile(r"[\u0e01-\u0e3a\u0e40-\u0e4e]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
)


def identify(text: str, allowed: Sequence[str] = LANGUAGES) -> str:
    """The ISO 639-1 code of the text's language, one of `allowed`, or `und` when too little is said."""
    cleaned = _NOISE.sub(" ", text[:MAX_CHARACTERS])
    letters = sum(map(str.isalpha, cleaned))
    if not letters:
        return UNDETERMINED
    told = _by_script(cleaned, letters)
    if told is not None:
        return told if told in allowed else UNDETERMINED
    return _by_model(cleaned, tuple(allowed)) if letters >= _MIN_LETTERS else UNDETERMINED


def _by_script(text: str, letters: int) -> str | None:
    """The language that the scripts give away by themselves. A character of Han says about as much as three letters."""
    if text.isascii():
        return None
    kana, han = len(_KANA.findall(text)), len(_HAN.findall(text))
    if (kana + han) * 4 >= letters:
        return "ja" if kana >= 2 and kana * 6 >= han else "zh" if han else None
    for language, script in _SCRIPTS:
        if len(script.findall(text)) * 3 >= letters:
            return language
    return None


@lru_cache(maxsize=8)
def _model(allowed: tuple[str, ...]) -> LanguageIdentifier | None:
    """The model, limited to the languages it knows of those asked for; loaded at first use (some 0.8 s)."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    known = [language for language in allowed if language in model.nb_classes]
    if not known:
        return None
    model.set_languages(known)
    # The model keeps all its languages beside those that it is limited to: one that never had others takes less memory.
    return LanguageIdentifier(
        model.nb_ptc,
        model.nb_pc,
        model.nb_classes,
        model.tk_nextmove,
        model.tk_output,
        norm_probs=True,
        tk_row=model.tk_row,
    )


def _by_model(text: str, allowed: tuple[str, ...]) -> str:
    try:
        model = _model(allowed)
    except OSError as error:  # it is unpacked into a temporary file: a full disk must cost no comment
        log.warning("the model of languages cannot be unpacked, languages stay unknown: %s", error)
        return UNDETERMINED
    if model is None:
        return UNDETERMINED
    language, probability = model.classify(text)
    return str(language) if probability >= _MIN_PROBABILITY else UNDETERMINED
