"""What stands between the network and the pages: middleware around every request, and the health checks.

Knows no Streamlit: the process that serves hands in what it shares with the pages.

`connections`: time for headers and for reading, and how many connections there may be.
`refusals`: what an application does not get to see.
`bodies`: bodies that must make progress.
`upload_quota`: bytes of uploads, for each session and for all.
`sessions`: how many tabs may be open, and the end of those that have gone.
`housekeeping`: frees what closed tabs have left.
`hosts`: names that the server answers to, and requests that another site made a browser send.
`page_headers`: what browsers may load, run and frame.
`garbage`: garbage collected now and then, not after each run of a page.
`health`: `/livez` and `/readyz`.
`metrics`: figures of the process, for Prometheus.
`metrics_port`: the port on which they are served.
`api_process`: the API without pages.
`compression`: `CompressedFiles`, gzip for the files of the interface.
"""
