"""Results as words, rows, JSON, CSV and HTML. Knows predictions and models, and nothing of where the text is shown.

`result`: the JSON, CSV and table of a prediction.
`flat_rows`: any rows as JSON, CSV and Parquet.
`sentences`: agreement and doubt in sentences.
`html_report`: a comparison as one HTML file.
`reproduce`: the command, and lines of Keras, that repeat a prediction.
`differences`: two results side by side.
`calibration_effect`: what calibrated members change.
`detectors`: how well doubt tells images without a class.
`agreement`: lines and columns of labels against models.
`accuracy`: accuracy in words, as counts where few images were held out.
`table_report`: several tables as JSON and as Markdown.
"""
