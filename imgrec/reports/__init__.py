"""Results as words, rows, JSON and CSV. Knows predictions and models, and nothing of where the text is shown.

`result`: the JSON, CSV and table of a prediction.
`sentences`: agreement and doubt in sentences.
`agreement`: lines and columns of labels against models.
`accuracy`: accuracy in words, as counts where few images were held out.
"""
