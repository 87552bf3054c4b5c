"""A Celery application over a folder: its engine has answered before the pool is forked.

`tasks.py QUESTION...` sends the questions, and prints what comes back.
"""

import os
import sys

from celery import Celery  # type: ignore[import-untyped]

folder = os.environ["CELERY_FOLDER"]
app = Celery("tasks", broker="filesystem://", backend=f"file://{folder}/results")
app.conf.broker_transport_options = {
    "data_folder_in": f"{folder}/queue",
    "data_folder_out": f"{folder}/queue",
    "control_folder": f"{folder}/control",
}
app.conf.broker_connection_retry_on_startup = True

if not sys.argv[0].endswith("tasks.py"):
    import book  # type: ignore[import-not-found]

    engine = book.engine()
    print(engine.query("warming up"), flush=True)


@app.task  # type: ignore[untyped-decorator]
def ask(question: str) -> tuple[int, str]:
    return os.getpid(), str(engine.query(question))


if __name__ == "__main__":
    sent = [app.send_task("tasks.ask", [question]) for question in sys.argv[1:]]
    got = [each.get(timeout=60, interval=0.05) for each in sent]
    for _, answer in got:
        print(answer)
    print(len({worker for worker, _ in got}), "workers", file=sys.stderr)
