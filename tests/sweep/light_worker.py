"""A worker without torch, for tests of the processes: its row tells its process; the task's observable may say how it ends."""

import json
import os
import signal
import sys
import time


def main() -> None:
    if "broken" in sys.argv:
        sys.exit(3)
    print("ready", flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        point, (order, *_) = task["points"][0], task["observables"]
        if order == "die" and point["index"] == 1 and not os.path.exists(f"{task['folder']}/died"):  # noqa: PTH110
            open(f"{task['folder']}/died", "w").close()  # noqa: PTH123
            sys.stdout.write('[{"key": ')  # half a row
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        if order == "hang" and point["index"] == 1:
            time.sleep(60)
        row = {"key": point["key"], "index": point["index"], "parameters": point["parameters"], "seed": point["seed"]}
        print(json.dumps([{**row, "status": "done", "error": "", "observables": {"process": os.getpid()}}]), flush=True)


main()
