from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.drafting.language import LANGUAGES, UNDETERMINED, identify


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I reset my password", "en"),
        ("¿Dónde está mi pedido? Llevo una semana esperando", "es"),
        ("Wo bleibt meine Bestellung von letzter Woche", "de"),
        ("补货?", "zh"),
        ("在吗", "zh"),
        ("iPhone 16 什么时候发货", "zh"),
        ("請問什麼時候補貨", "zh"),
        ("I love 茶 very much and drink it every day", "en"),
        ("はい、分かりました", "ja"),
        ("カード", "ja"),
        ("好の茶", "zh"),
        ("언제 배송되나요", "ko"),
        ("สวัสดีครับ", "th"),
        ("यह कब आएगा", "hi"),
        ("hi", "und"),
        ("👍👍👍", "und"),
        ("12345 !!!", "und"),
        ("", "und"),
        ("https://example.com/where-is-my-order @someone", "und"),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert identify(text) == language


def test_only_languages_that_are_allowed() -> None:
    assert identify("언제 배송되나요", ("en", "zh")) == UNDETERMINED
    assert identify("how do I return my order", ("en", "zh")) == "en"
    assert identify("how do I return my order", ("xx",)) == UNDETERMINED


@given(st.text(max_size=400))
def test_any_text_gives_a_known_code(text: str) -> None:
    assert identify(text) in (*LANGUAGES, UNDETERMINED)
