"""Jobs that cannot be lost: each is a detached worker process with a folder of its own, and nothing else.

    IMGREC_HOME/runs/20261121-031500-cifar_vgg/
    ├── job.json         what to do: the worker module, its configuration, what it needs
    ├── progress.jsonl   one JSON object a line, appended as things happen
    ├── started.json     when the worker was started, and its process id
    ├── worker.lock      held by the living worker; the kernel frees it however the worker ends
    ├── worker.log       its stdout and stderr
    ├── turn.json        it had its turn: memory and cores are reserved while it lives
    ├── reserve          room on the disk while a worker lives, so that its end can be written on a full one
    ├── cancel           a request to stop
    ├── end.json         how it ended: finished, failed, canceled
    ├── checkpoint.npz   of a training: everything that a resumed worker needs
    ├── head.npz         of transfer learning: the newest head
    └── trials/          of a search or transfer learning: the finished trials

All state is in the folder: a reloaded page, a closed browser or a killed server lose nothing. A worker that was
killed leaves no `end.json`: the job is "interrupted", and `resume` starts another worker on the same folder.

`job`: start, read, cancel and resume a job.
`worker`: the queue and the log, in the worker process.
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
