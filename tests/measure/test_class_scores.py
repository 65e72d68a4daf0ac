"""Scores per class that the sources' tables print: support, shares of the confusion matrix, counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.scores import by_class, of_predictions

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@settings(deadline=None)
@given(PAIRS)
def test_rows_of_the_shares_add_up_to_one_where_a_class_has_images(pairs: list[tuple[int, int]]) -> None:
    """Shares times support give the counts back, and a class without images has shares of zero."""
    labels, predicted = np.array(pairs).T
    scored = of_predictions({"labels": labels, "predicted": predicted})
    support = np.asarray(scored["support_per_class"].value)
    shares = np.asarray(scored["confusion_share"].value)
    np.testing.assert_allclose(shares.sum(axis=1), support > 0)
    np.testing.assert_allclose(shares * support[:, None], scored["confusion"].value, atol=1e-12)
    np.testing.assert_allclose(np.diag(shares), scored["recall_per_class"].value)
    assert np.sum([scored["correct"].value, scored["errors"].value]) == len(pairs) == support.sum()
    assert scored["test_images"].value == len(pairs)


def test_a_score_per_class_becomes_one_number_a_class() -> None:
    """Recall of class 1 is the second of the array, better when higher; nothing comes of nothing, and a single number is refused."""
    found = by_class({"recall_per_class": [0.5, 0.25], "accuracy": 0.4}, "recall")
    assert found == {"recall.class0": 0.5, "recall.class1": 0.25}
    assert by_class({"accuracy": 0.4}, "recall") == {}
    with pytest.raises(TypeError, match="recall_per_class"):
        by_class({"recall_per_class": 0.5}, "recall")
