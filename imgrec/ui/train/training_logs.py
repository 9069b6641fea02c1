"""Training logs over each other: files from anywhere, runs of this machine, and logs that publications printed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from imgrec import jobs
from imgrec.charts import training_logs
from imgrec.charts.training_logs import MAX_LOGS
from imgrec.errors import ImgrecError
from imgrec.jobs import Job
from imgrec.settings import MIB
from imgrec.training import log_export, log_files, log_lines, published_logs, run_summary, training_job, transfer_job
from imgrec.training.log_builder import log_of
from imgrec.training.log_files import LogFile
from imgrec.training.training_log import TrainingLog, divergences, summary_row
from imgrec.ui import caches, query_params, uploads
from imgrec.ui.elements import download
from imgrec.ui.markdown import plain

# Of a visit; each takes up to some MiB.
MAX_FILES = 8

# More figures than accuracy and loss: so many are drawn.
MAX_QUANTITIES = 6

EPOCHS, BATCHES = POINTS = ("Epochs", "Batches")

MOST_SMOOTHING = 0.99
MAX_VALUES_PER_EPOCH = 1_000_000

_FILES = "training_logs"


@dataclass(slots=True)
class _Files:
    """The files of a visit, and a sentence on each that could not be read."""

    found: list[LogFile] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def remove(self, place: int) -> None:
        """Remove a file, and what was said of others."""
        del self.found[place]
        self.problems = []


def sources() -> list[TrainingLog]:
    """Choose files, runs and printed logs; return their logs, at most `MAX_LOGS`."""
    files: _Files = st.session_state.setdefault(_FILES, _Files())
    _uploader(files)
    for problem in files.problems:
        st.error(plain(problem), icon=":material/broken_image:")
    for place, file in enumerate(files.found):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f":material/description: **{plain(file.name)}** :gray[{_form(file)}]", width="stretch")
            st.button(
                "Remove",
                icon=":material/close:",
                key=f"remove_log_{place}",
                type="tertiary",
                help=f"Remove {plain(file.name)}",
                on_click=files.remove,
                args=(place,),
            )
        _skipped(file)
    logs = [*log_files.joined(files.found), *_runs(), *_published()]
    if len(logs) > MAX_LOGS:
        st.info(f"The first {MAX_LOGS} of {len(logs)} logs are drawn.", icon=":material/filter_8:")
    return logs[:MAX_LOGS]


def curves(logs: Sequence[TrainingLog], *, table: bool) -> None:
    """Show a chart for each figure of `logs`, or the same in a table; above it their lengths and times."""
    if not logs:
        _nothing_yet()
        return
    batches, smoothing, values_per_epoch = _controls(logs)
    drawn = [log.in_epochs(values_per_epoch) for log in logs]
    st.dataframe([summary_row(log) for log in drawn], hide_index=True, alt="The logs, their lengths and times")
    for log in drawn:
        for note in (*log.notes, *divergences(log)):
            st.caption(f":material/info: {plain(log.title)}: {plain(note)}")
    if table:
        st.dataframe(training_logs.epoch_rows(drawn), hide_index=True, alt="The figures of each epoch")
        return
    names = {name: None for log in drawn for name in log.quantities}
    quantities = sorted(names, key=lambda name: (name not in ("accuracy", "loss"), name))
    counted = "value" if values_per_epoch == 1 and all(log.is_list for log in logs) else "epoch"
    with st.grid(2, min_column_width=320):
        for quantity in quantities[:MAX_QUANTITIES]:
            with_it = [log for log in drawn if quantity in log.quantities]
            words = " ".join(training_logs.describe_log(log, quantity) for log in with_it)
            spec = training_logs.log_chart(
                with_it, quantity, among=drawn, batches=batches, smoothing=smoothing, x_title=counted
            )
            st.vega_lite_chart(spec, theme=None, alt=words, key=f"log_curve_{quantity}")
    if rest := quantities[MAX_QUANTITIES:]:
        st.caption(f"Not drawn: {plain(', '.join(rest))}. The table has all.")
    if batches:
        st.caption("Within an epoch, Keras prints means since its beginning.")


def _uploader(files: _Files) -> None:
    most_mib = min(log_lines.MAX_LOG_BYTES // MIB, uploads.archive_limit_mib())
    dropped: list[UploadedFile] = st.file_uploader(
        f"Training logs (up to {most_mib} MiB each)",
        accept_multiple_files=True,
        key=uploads.key_of("logs"),
        max_upload_size=most_mib,
        help="What Keras prints (such as nohup.out), a CSV of CSVLogger, a History as JSON, acc_history.txt with "
        "loss_history.txt, or progress.jsonl of a run of imgrec.",
    )
    if not dropped:
        return
    files.problems = []
    with st.spinner("Reading the logs"):
        for file in dropped:
            try:
                if len(files.found) >= MAX_FILES:
                    files.problems.append(f"Expected at most {MAX_FILES} files. Received: {file.name} besides them.")
                    break
                files.found.append(log_files.read(file.name, file.getvalue()))
            except ImgrecError as error:
                files.problems.append(str(error))
    uploads.empty("logs", dropped)
    st.rerun()


def _runs() -> list[TrainingLog]:
    """Choose runs of this machine."""
    found = [
        job for job in jobs.all_jobs(caches.settings()) if job.module in (training_job.WORKER, transfer_job.WORKER)
    ]
    by_name = {job.name: job for job in found}
    key = "log_runs"
    if not by_name and not st.query_params.get_all(key):
        return []
    chosen = st.multiselect(
        "Runs on this machine",
        list(by_name),
        format_func=lambda name: by_name[name].title if name in by_name else str(name),
        key=query_params.named(key, "run", list(by_name), []),
        placeholder="Choose runs to draw besides",
        wrap=True,
        select_all=False,
    )
    return [log for name in chosen if name in by_name and (log := run_log(by_name[name])) is not None]


def run_log(job: Job) -> TrainingLog | None:
    """Return the log of a run; None while it has no figures."""
    run = run_summary.read(job)
    told = run.curves if isinstance(run, transfer_job.Progress) else run
    return log_of(told, job.title) if told.epochs or told.steps else None


def _published() -> list[TrainingLog]:
    """Choose logs that publications printed."""
    by_title = {one.log.title: one for one in published_logs.read_published()}
    chosen = st.multiselect(
        "Published logs",
        list(by_title),
        key=query_params.named("log_published", "published log", list(by_title), [], name=query_params.slug),
        placeholder="Choose printed logs to draw besides",
        wrap=True,
        select_all=False,
        help="Printed in the publications that the Benchmarks page lists under Published; nothing of them was "
        "measured here.",
    )
    return [by_title[title].log for title in chosen if title in by_title]


def _controls(logs: Sequence[TrainingLog]) -> tuple[bool, float, int]:
    """Show the choice of points, of smoothing and, for plain lists, of the values of an epoch."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        usual = BATCHES if any(log.batches for log in logs) else EPOCHS
        points = query_params.segmented(
            "Points",
            "kind of points",
            POINTS,
            usual,
            "log_points",
            help="Batches: where a log has them. Validation is known after epochs.",
        )
        smoothing = st.slider(
            "Smoothing",
            0.0,
            MOST_SMOOTHING,
            0.0,
            0.01,
            key=query_params.number("smoothing", "smoothing", 0, MOST_SMOOTHING),
            bind="query-params",
            width=220,
            help="The weight of what came before, in an exponential moving average.",
        )
        values = 1
        if any(log.is_list for log in logs):
            values = st.number_input(
                "Values per epoch",
                1,
                MAX_VALUES_PER_EPOCH,
                1,
                key=query_params.number("log_values", "values per epoch", 1, MAX_VALUES_PER_EPOCH),
                bind="query-params",
                width=160,
                help="A plain list does not say where an epoch ends. An epoch's value is the mean of its values.",
            )
    return points == BATCHES, float(smoothing), int(values)


def _skipped(file: LogFile) -> None:
    if not file.skipped.count:
        return
    with st.expander(plain(log_lines.describe(file.skipped)), icon=":material/warning:"):
        rows = [{"Line": line, "Skipped as": reason, "Text": text} for line, reason, text in file.skipped.shown]
        st.dataframe(rows, hide_index=True, alt=f"The first skipped lines of {file.name}")


def _form(file: LogFile) -> str:
    count = len(file.logs)
    return plain(file.logs[0].kind) + (f", {count} trainings" if count > 1 else "")


def _nothing_yet() -> None:
    with st.container(border=True):
        st.markdown(
            "**No logs yet**\n"
            "1. **Drop a log.** `nohup.out` of Keras, a CSV of `CSVLogger`, a `History` as JSON, or `acc_history.txt` "
            "with `loss_history.txt`.\n"
            "2. **Compare.** Several logs, runs of this machine, and printed logs are drawn over each other.\n"
            "3. **Take yours along.** Every run has a button that downloads its log in these forms."
        )


def log_button(log: TrainingLog, key: str) -> None:
    """Show the button that downloads a log in every form that can be read here."""
    download(
        "Log",
        lambda: log_export.zipped(log),
        "log.zip",
        "application/zip",
        key=key,
        type="tertiary",
        help="training.csv (as CSVLogger), history.json, acc_history.txt, loss_history.txt, and nohup.out as Keras "
        "prints.",
    )
