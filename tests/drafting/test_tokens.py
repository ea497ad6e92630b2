from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.drafting.tokens import MAX_CHARACTERS, query_tokens, stem, tokens


def test_words_of_one_family_meet() -> None:
    assert stem("refunds") == stem("refunded") == stem("refunding") == stem("refund")
    assert stem("delivery") == stem("deliveries")
    assert stem("pass") == "pass"
    assert stem("2024") == "2024"


def test_chinese_gives_characters_and_pairs() -> None:
    assert tokens("补货 Tea") == ["补", "货", "补货", "tea"]


def test_ways_of_asking_are_folded() -> None:
    assert tokens("如何退款") == tokens("怎么退款")


def test_full_width_is_the_same_word() -> None:
    assert tokens("ＶＩＰ") == tokens("vip")


def test_a_long_query_is_bounded() -> None:
    assert len(query_tokens("".join(chr(0x4E00 + at) for at in range(20_000)))) <= 2 * MAX_CHARACTERS
    assert query_tokens("word " * 30_000) == ["word"]


@given(st.text(max_size=300))
def test_tokens_hold_no_space_and_do_not_depend_on_case(text: str) -> None:
    found = tokens(text)
    assert all(word and not any(map(str.isspace, word)) for word in found)
    assert set(query_tokens(text)) == set(found)
    assert len(query_tokens(text)) == len(set(found))


@given(st.from_regex(r"[a-z]{1,20}", fullmatch=True))
def test_stems_are_beginnings_in_small_steps(word: str) -> None:
    short = stem(word)
    assert short
    assert short[:1] == word[:1]
    assert len(short) <= len(word)
