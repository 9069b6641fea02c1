"""Streamlit components, a folder for each page, and every Streamlit cache.

A component owns its widget, its bounds and its errors; what it shows is computed in other rooms.

`main`: the frame around every page.
`caches`: every Streamlit cache.
`elements`: columns, errors, and components that Streamlit lacks.
`markdown`: text that is not to be read as Markdown.
`settings_bar`: models, rule, framing above a page.
`my_classes`: the level of results, and the visitor's own classes.
`query_params`: choices in the address.
`pinned`: the label that is marked in every chart.
`image_input`: upload, camera, samples.
`image_quota`: the memory of all images.
`image_store`: the images of a browser tab.
`tour`: six cards at the first visit.
`uploads`: an uploader that empties itself.
`widget_keys`: keys without the texts of visitors.
`history`: results of the visit, to go back to.
`results`: the cached result for a page.
"""
