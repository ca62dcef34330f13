"""Which hosts the Python processes of a command ask for: its own and those of all that it starts."""

from pathlib import Path

_SITECUSTOMIZE = '''
import os
import sys


EVENTS = """
    os.exec socket.connect socket.getaddrinfo socket.gethostbyaddr socket.gethostbyname socket.sendto subprocess.Popen
""".split()


def watch(event, arguments):
    if event not in EVENTS:
        return
    if event in ("subprocess.Popen", "os.exec"):
        environment = arguments[-1]
        if environment is not None:  # else the child has ours
            others = environment.get("PYTHONPATH", "").split(os.pathsep)
            environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([{folder!r}, *filter(None, others)]))
        return
    host = arguments[0]
    if event in ("socket.connect", "socket.sendto"):
        if not isinstance(arguments[1], tuple):  # a path or a number: of this machine
            return
        host = arguments[1][0]
    if isinstance(host, bytes):
        host = host.decode()
    with open({log!r}, "a") as file:
        file.write(f"{{host}} {{' '.join(sys.orig_argv)}}\\n".replace("\\n", " ").rstrip() + "\\n")


sys.addaudithook(watch)
'''


class Watch:
    """`variables` make a Python process and its descendants report, whatever environment they are given."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._log = folder / "hosts.log"
        (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE.format(folder=str(folder), log=str(self._log)))
        self.variables = {"PYTHONPATH": str(folder)}

    def hosts(self) -> dict[str, list[str]]:
        """The command lines of the processes that asked for each host."""
        found: dict[str, set[str]] = {}
        for line in self._log.read_text().splitlines():
            host, _, command = line.partition(" ")
            found.setdefault(host, set()).add(command)
        return {host: sorted(commands) for host, commands in found.items()}
