"""A broker and results in folders, to try it without a server."""

import os
import pathlib

folder = pathlib.Path(os.environ.get("CELERY_FOLDER", "celery"))
for name in ("queue", "processed", "results", "control"):
    (folder / name).mkdir(parents=True, exist_ok=True)

broker_url = "filesystem://"
broker_transport_options = {
    "data_folder_in": str(folder / "queue"),
    "data_folder_out": str(folder / "queue"),
    "processed_folder": str(folder / "processed"),
    "control_folder": str(folder / "control"),
}
result_backend = f"file://{folder.resolve() / 'results'}"
