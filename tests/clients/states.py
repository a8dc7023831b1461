# SPDX-License-Identifier: GPL-2.0-or-later
"""An rpm client that runs one transaction's test twice in one process.

Prints, as JSON, what rpm said and the process's own state after each run:
descriptors, threads, signals, environment, directory, umask, limits.
Arguments: root, macros as NAME=VALUE, packages. With SIGCHLD=ignore in the
environment it lets the kernel reap its children, as some clients do.
"""

import json
import os
import re
import resource
import signal
import sys

import rpm

if os.environ.get("SIGCHLD") == "ignore":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)

root, arguments = sys.argv[1], sys.argv[2:]
packages = [a for a in arguments if a.endswith(".rpm")]
for name, value in (a.split("=", 1) for a in arguments if not a.endswith(".rpm")):
    rpm.addMacro(name, value)

opened = {}


def callback(what, amount, total, package, data):
    if what == rpm.RPMCALLBACK_INST_OPEN_FILE:
        opened[package] = os.open(package, os.O_RDONLY)
        return opened[package]
    if what == rpm.RPMCALLBACK_INST_CLOSE_FILE:
        os.close(opened.pop(package))


def state():
    descriptors = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink("/proc/self/fd/" + number)
        except FileNotFoundError:
            continue  # the listing's own descriptor
        descriptors[number] = re.sub(r":\[\d+\]", "", target)
    with open("/proc/self/status") as status:
        lines = [line.split() for line in status]
    kept = ("Threads:", "SigBlk:", "SigIgn:", "SigCgt:", "Umask:")
    return {
        "descriptors": descriptors,
        "status": [line for line in lines if line[0] in kept],
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "children": os.path.exists("/proc/self/task/%d/children" % os.getpid())
        and open("/proc/self/task/%d/children" % os.getpid()).read(),
    }


ts = rpm.TransactionSet(root)
ts.setVSFlags(-1)
for package in packages:
    with open(package) as file:
        ts.addInstall(ts.hdrFromFdno(file), package, "u")
states, results = [], []
for _ in range(2):
    ts.setFlags(rpm.RPMTRANS_FLAG_TEST)
    problems = ts.run(callback, "")
    results.append("ok" if problems is None else "failed")
    states.append(state())
print(json.dumps({"results": results, "states": states, "open": len(opened)}))
