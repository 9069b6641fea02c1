"""Two hosts, each in a network namespace of its own, with a cluster of both; for root on Linux.

    python -m tests.scale.two_hosts DATA      # 2 minutes; DATA is a folder with labeled images

The second host has an empty IMGREC_HOME: its workers get the network from the driver. Prints the rows of both engines,
in how many processes of which host the images were computed, and exits 1 where the answers differ in any byte.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgrec.evaluation import stored_predictions

HEAD, OTHER, PORT = "10.77.0.1", "10.77.0.2", 6399
BIN = Path(sys.executable).parent
MODEL = "mobilenet_a025_128"


@contextmanager
def two_hosts() -> Iterator[tuple[str, str]]:
    """Yield the names of two network namespaces that reach each other, and nothing else."""
    names = (f"head{os.getpid()}", f"other{os.getpid()}")
    links = (f"h{os.getpid()}", f"o{os.getpid()}")
    try:
        for name in names:
            _ip("netns", "add", name)
        _ip("link", "add", links[0], "netns", names[0], "type", "veth", "peer", "name", links[1], "netns", names[1])
        for name, link, address in zip(names, links, (HEAD, OTHER), strict=True):
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", link)
            _ip("-n", name, "link", "set", link, "up")
            _ip("-n", name, "link", "set", "lo", "up")
            # Ray looks for its own address by the way to the outside.
            _ip("-n", name, "route", "add", "default", "dev", link)
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@contextmanager
def node(namespace: str, home: Path, *words: str) -> Iterator[None]:
    """Run a node of a cluster in `namespace`, with a home of its own, until the block ends."""
    command = [*_inside(namespace), str(BIN / "ray"), "start", "--block", "--disable-usage-stats", *words]
    env = os.environ | {"IMGREC_HOME": str(home), "RAY_grpc_enable_http_proxy": "0"}
    with (home / "ray.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)


def evaluate(namespace: str, data: str, out: Path, *words: str) -> str:
    """Run `imgrec evaluate` in `namespace` and return what it says on stderr."""
    command = [
        *_inside(namespace), sys.executable, "-m", "imgrec", "evaluate", "--data", data, "--models", MODEL,
        "--out", str(out), *words,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stderr


def answers(out: Path) -> tuple[dict[str, object], bytes]:
    """Return the row without times and provenance, and the stored answers as bytes."""
    [row] = stored_predictions.read_summary(out)["rows"]
    [path] = (out / "predictions").glob("*.parquet")
    stored = stored_predictions.read(path)
    data = repr(stored.ids).encode() + stored.targets.tobytes() + stored.probabilities.tobytes()
    kept = {key: row[key] for key in ("images", "top_1", "log_loss", "ece", "failures", "pictures_sha256")}
    return kept, data


def main(data: str) -> int:
    """Compare the engines; return the exit code."""
    with tempfile.TemporaryDirectory() as place, two_hosts() as (head, other):
        home = Path(place) / "other"
        home.mkdir()
        first = Path(place) / "head"
        first.mkdir()
        here = os.environ["IMGREC_HOME"]
        with (
            node(head, first, "--head", f"--node-ip-address={HEAD}", f"--port={PORT}", "--num-cpus=2",
                 "--include-dashboard=false"),
            node(other, home, f"--address={HEAD}:{PORT}", f"--node-ip-address={OTHER}", "--num-cpus=2"),
        ):  # fmt: skip
            _wait_for_nodes(head)
            evaluate(head, data, Path(place) / "local")
            said = evaluate(head, data, Path(place) / "ray", "--engine", "ray", "--address", f"{HEAD}:{PORT}")
            received = sorted(path.parent.name for path in home.glob("compiled/*/model.xml"))
        local, ray = answers(Path(place) / "local"), answers(Path(place) / "ray")
        found = {"home": here, "local": local[0], "ray": ray[0], "same_bytes": local == ray,
                 "network_sent_to_the_other_host": received, "said": said.splitlines()}  # fmt: skip
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return 0 if local == ray and received else 1


def _wait_for_nodes(namespace: str) -> None:
    code = (
        "import ray, time\n"
        "for _ in range(20):\n"
        "    try:\n"
        f"        ray.init(address='{HEAD}:{PORT}', logging_level='ERROR', log_to_driver=False)\n"
        "        break\n"
        "    except Exception:\n"
        "        time.sleep(1)\n"
        "for _ in range(120):\n"
        "    if sum(node['Alive'] for node in ray.nodes()) == 2:\n"
        "        raise SystemExit(0)\n"
        "    time.sleep(0.5)\n"
        "raise SystemExit(1)\n"
    )
    subprocess.run([*_inside(namespace), sys.executable, "-c", code], check=True, timeout=240)


def _inside(namespace: str) -> list[str]:
    return ["ip", "netns", "exec", namespace]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
