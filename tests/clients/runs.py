# SPDX-License-Identifier: GPL-2.0-or-later
"""An rpm client that tests a transaction and then runs it, in one process.

It goes on whatever the test says, unlike dnf. Arguments: root, macros as
NAME=VALUE, packages, and a list of steps: `test`, `run`, `new` for another
transaction of the same packages, `sh:COMMAND` for what happens in between. Standard error has what rpm logs, after a
line for each step; standard output has each run's result as JSON.
"""

import json
import os
import subprocess
import sys

import rpm

root, arguments = sys.argv[1], sys.argv[2:]
packages = [a for a in arguments if a.endswith(".rpm")]
macros = [a for a in arguments if a.startswith("_")]
steps = [a for a in arguments if a not in packages and a not in macros]
for name, value in (a.split("=", 1) for a in macros):
    rpm.addMacro(name, value)

opened = {}


def callback(what, amount, total, package, data):
    if what == rpm.RPMCALLBACK_INST_OPEN_FILE:
        opened[package] = os.open(package, os.O_RDONLY)
        return opened[package]
    if what == rpm.RPMCALLBACK_INST_CLOSE_FILE:
        os.close(opened.pop(package))


def transaction():
    ts = rpm.TransactionSet(root)
    ts.setVSFlags(-1)
    for package in packages:
        with open(package) as file:
            ts.addInstall(ts.hdrFromFdno(file), package, "u")
    return ts


ts, results = transaction(), []
for step in steps:
    print("--", step.split(":")[0], file=sys.stderr, flush=True)
    if step == "new":
        ts = transaction()
        continue
    if step.startswith("sh:"):
        subprocess.run(["sh", "-c", step[3:]], check=True)
        continue
    ts.setFlags(rpm.RPMTRANS_FLAG_TEST if step == "test" else 0)
    problems = ts.run(callback, "")
    results.append("ok" if problems is None else "failed")
print(json.dumps(results))
