"""Nothing in an answer loads or leads anywhere when it is rendered."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.generation.plain import plain


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("See ![a cat](http://evil.example/cat.png) here.", "See a cat here."),
        ("See ![a cat](cat.png) here.", "See a cat here."),
        ("Read [the paper](https://a.example/x_(y)) now.", "Read the paper now."),
        ("Read [this](//a.example).", "Read this."),
        ("Read [this](/logout).", "Read this."),
        ("[![x](http://a.b/c.png)](http://a.b)", "x"),
        ("Mail <mailto:a@b.example>.", "Mail mailto:a@b.example."),
        ('A picture <img src="http://a.b/c.png" onerror=x> of it.', "A picture of it."),
        ("<a href='http://a.b'>words</a>", "words"),
        ("[half](http://a.b", "[half] (http://a.b"),
        ("an image ![half](", "an image ! [half]("),
        ("<img src=http://a.b", "< img src=http://a.b"),
        ("[x](&#104;ttp://a.b)", "x"),
        ("[x](JaVaScript:alert(1))", "x"),
    ],
)
def test_links_and_images_become_words(text: str, words: str) -> None:
    assert plain(text) == words


@pytest.mark.parametrize(
    "text",
    [
        "Water boils at 100 degrees.",
        "Call f[i](x) and list[int](y).",
        "If a < b and c > d, stop!",
        "It is at http://a.example as words.",
        "In [1998] it rained (a lot).",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


@given(st.text(alphabet="ab[]()!<>/:h ", max_size=40))
def test_no_image_and_no_address_is_left(text: str) -> None:
    made = plain(text)
    assert not re.search(r"!\[[^\[\]]*\]\(", made)
    assert not re.search(r"\]\(\s*[a-z]+:", made)
    assert plain(made) == made
