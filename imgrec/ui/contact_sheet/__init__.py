"""Contact sheet: drop many images, see where the models disagree and, with true classes, how many are right.

`drop_zone`: images, folders, archives, samples.
`sheet`: the sheet of a session: progress, figures, files.
`filters`: the order and the filters.
`tiles`: the images with their answers.
"""
