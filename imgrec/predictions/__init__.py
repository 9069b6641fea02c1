"""Labels, one prediction, and the rules that combine several.

Knows no images, engines or files of models: probabilities come in as arrays.

`wordnet`: names, hypernyms and meanings of synsets.
`labels`: `LabelSpace`, `LabelMap`.
`prediction`: `Prediction`, top-k.
`hierarchy`: the tree above the classes, and its levels.
`class_groups`: `ClassGroups`, named by a visitor.
`combination_rules`: mean, geometric mean, weighted mean, votes.
`ensembles`: `combine`, `Ensemble`, uncertainty, leave-one-out.
`out_of_distribution`: the entropy above which no class is named, or the models are unsure.
`gallery_predictions`: stored predictions of the sample images.
"""
