"""Jobs that cannot be lost: each a detached worker process with a folder of its own, and nothing else.

    IMGREC_HOME/runs/20261121-031500-cifar_vgg/
    ├── job.json         what to do: the worker module, its configuration, what it needs
    ├── progress.jsonl   one JSON object a line, appended as things happen
    ├── started.json     when the worker was started, and its process id
    ├── worker.lock      held by the living worker; the kernel frees it however the worker ends
    ├── worker.log       its stdout and stderr
    ├── turn.json        it had its turn: memory and cores are its own while it lives
    ├── reserve          room on the disk while a worker lives, so that it can say how it ended on a full one
    ├── cancel           somebody asked it to stop
    ├── end.json         how it ended: finished, failed, canceled
    ├── checkpoint.npz   of a training: all that it goes on from
    ├── head.npz         of a lesson: its newest head
    └── trials/          of a search or a lesson: the trials that it goes on from

The folder is the whole truth: a page that is reloaded, a browser that is closed and a server that is killed lose
nothing, and whoever looks next reads the same. A worker that was killed leaves no `end.json`: it is "interrupted",
and `resume` starts another one on the same folder.

`job`: the view from outside.
`worker`: the view of the process at work.
`processes`: start a process, tell a living one from a dead one.
`job_folder`: the files of a job.
"""

from imgrec.files import check_disk as check_disk
from imgrec.jobs.job import Job as Job
from imgrec.jobs.job import Needs as Needs
from imgrec.jobs.job import all_jobs as all_jobs
from imgrec.jobs.job import next_to_resume as next_to_resume
from imgrec.jobs.job import start as start
from imgrec.jobs.worker import CanceledJobError as CanceledJobError
from imgrec.jobs.worker import Worker as Worker
from imgrec.jobs.worker import work as work
