"""What is searched for: the same pieces however a word is written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.guide.grams import MAX_QUERY_GRAMS, grams, query_grams


def test_japanese_is_cut_into_pairs_and_words_into_triples() -> None:
    assert list(grams("接続エラー")) == ["接続", "続え", "えら"]
    assert list(grams("IPsec")) == ["ipsec", "_ip", "ips", "pse", "sec", "ec_"]


def test_numbers_are_whole() -> None:
    assert list(grams("809 ８０９")) == ["809", "809"]


def test_spellings_that_readers_take_for_one() -> None:
    assert list(grams("サーバー")) == list(grams("ｻｰﾊﾞ")) == list(grams("さーば"))
    assert list(grams("VPN")) == list(grams("ｖｐｎ"))


def test_one_wrong_letter_leaves_half_of_a_word() -> None:
    right, wrong = set(grams("connection")), set(grams("conection"))
    assert len(right & wrong) >= len(right) / 2


def test_a_query_is_bounded() -> None:
    assert len(query_grams(" ".join(f"word{number}" for number in range(5000)))) == MAX_QUERY_GRAMS


@given(st.text())
def test_pieces_are_letters_digits_and_underscores(text: str) -> None:
    assert all(gram.replace("_", "a").isalnum() and '"' not in gram for gram in grams(text))
