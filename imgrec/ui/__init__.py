"""Streamlit components, and every Streamlit cache. A component owns its widget, its bounds and its errors.

`resources` holds the caches, `pictures` the drop zone and the gallery, `choices` the settings that live in the URL,
`cards` what is said about one picture, `consensus` what the models say together, `inventory` models and memory.
For the Train page `gathering` takes pictures by class, `examining` has the doctor look at them, `teaching`, `training`
and `tuning` start runs, `runs` and `lessons` show them live, `trained` what came of them.
Pages hold nothing but calls to these.
"""
