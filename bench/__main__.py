"""`python -m bench`: every comparison that needs no data beside the project, one after another."""

from bench import memory, page, six_models, start

for benchmark in (six_models, start, memory, page):
    benchmark.main()
