"""What stands in a JSON column means what `json` would have written and read there."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.store.json_text import as_json, from_json

_half_pairs = st.characters(categories=["Cs"])
_texts = st.text() | st.text(_half_pairs | st.characters())
_leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _texts
_values = st.recursive(
    _leaves, lambda inner: st.lists(inner) | st.dictionaries(_texts, inner), max_leaves=12
)


@given(_values)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    text = as_json(value)
    assert from_json(text) == value == json.loads(text)


@given(_values)
def test_what_json_wrote_is_read(value: object) -> None:
    assert from_json(json.dumps(value)) == json.loads(json.dumps(value))


def test_what_is_no_json_is_told() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        as_json({"leg": object()})
    with pytest.raises(ValueError, match="line 1"):
        from_json("{")
