"""Why a network says what it says: which damage, and which wrong preprocessing, changes its mind.

Knows no pages, charts or training.

`corruptions`: eight kinds of damage in five strengths.
`robustness`: probabilities over the strength of damage.
`severity`: accuracy on a dataset over the strength of damage.
`preprocessing_trials`: one network under right and wrong preprocessing.
`preprocessing_sentences`: wrong preprocessing in sentences.
"""
