"""Records the hosts that the Python processes of a command, including all descendants, connect to or resolve."""

from pathlib import Path

_SITECUSTOMIZE = """
import os
import socket
import subprocess
import sys


def note(host):
    host = host.decode() if isinstance(host, bytes) else host
    command = " ".join(sys.orig_argv).replace("\\n", " ")
    with open({log!r}, "a") as file:
        file.write(f"{{host}} {{command}}\\n")


def watched(name, original):
    # Functions of the module take the host first; methods of a socket take an address last.
    def resolve(host, *rest, **more):
        note(host)
        return original(host, *rest, **more)

    def reach(self, *arguments):
        address = arguments[-1]
        if isinstance(address, tuple):  # otherwise the path of a local socket
            note(address[0])
        return original(self, *arguments)

    return resolve if name.startswith("get") else reach


def started(original):
    # Child processes also report, regardless of the environment that they get.
    def start(self, *arguments, env=None, **more):
        if env is not None:
            others = env.get("PYTHONPATH", "").split(os.pathsep)
            env = dict(env, PYTHONPATH=os.pathsep.join(dict.fromkeys([{folder!r}, *filter(None, others)])))
        original(self, *arguments, env=env, **more)

    return start


for owner, names in ((socket, ("getaddrinfo", "gethostbyname")), (socket.socket, ("connect", "connect_ex", "sendto"))):
    for name in names:
        setattr(owner, name, watched(name, getattr(owner, name)))
subprocess.Popen.__init__ = started(subprocess.Popen.__init__)
"""


class Watch:
    """`variables` make a Python process and its descendants report, regardless of the environment that these get."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._log = folder / "hosts.log"
        (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE.format(folder=str(folder), log=str(self._log)))
        self.variables = {"PYTHONPATH": str(folder)}

    def hosts(self) -> dict[str, list[str]]:
        """For each host, the command lines of the processes that connected to it or resolved it."""
        found: dict[str, set[str]] = {}
        for line in self._log.read_text().splitlines():
            host, _, command = line.partition(" ")
            found.setdefault(host, set()).add(command)
        return {host: sorted(commands) for host, commands in found.items()}
