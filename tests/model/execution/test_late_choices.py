"""Choices that show late: which orders of messages are possible."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from sendright.model.execution.late_choices import interleaved

TOLD = {1: "a", 2: "b", 3: "a", 4: "c"}


def test_each_sequence_keeps_its_order() -> None:
    assert interleaved([[1, 2], [4]], ["a", "c", "b"], TOLD.__getitem__) == [1, 4, 2]
    assert interleaved([[1, 2], [4]], ["b", "a", "c"], TOLD.__getitem__) is None


def test_of_two_that_tell_the_same_the_fitting_one_is_found() -> None:
    """The first "a" could be the lone one: then "b" couldn't come next."""
    assert interleaved([[3], [1, 2]], ["a", "b", "a"], TOLD.__getitem__) == [1, 2, 3]


def test_what_was_seen_so_far() -> None:
    assert interleaved([[1, 2], [4]], [], TOLD.__getitem__) == []
    assert interleaved([[1, 2], [4]], ["c"], TOLD.__getitem__) == [4]
    assert interleaved([[1, 2]], ["c"], TOLD.__getitem__) is None


@given(st.lists(st.lists(st.sampled_from("ab"), max_size=3), max_size=3), st.data())
def test_it_finds_an_order_where_one_is(told: list[list[str]], data: st.DataObject) -> None:
    sequences = [[10 * one + other for other in range(len(each))] for one, each in enumerate(told)]
    words = {message: told[message // 10][message % 10] for each in sequences for message in each}
    seen = data.draw(st.permutations(list(words.values())))
    orders = (
        [
            order
            for order in permutations(words)
            if [words[message] for message in order] == seen and all(sorted(each, key=order.index) == each for each in sequences)
        ]
        if len(words) <= 6
        else None
    )
    found = interleaved(sequences, seen, words.__getitem__)
    if orders is not None:
        assert (found is not None) == bool(orders)
        assert found is None or tuple(found) in orders
