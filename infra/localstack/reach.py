"""Lets containers reach the emulator while a command runs: it listens on 127.0.0.1, which is another one for them.

    reach.py PORT COMMAND...

Forwards PORT of the address under which Docker's default network sees this machine. Where containers see the machine's
own loopback as host.docker.internal, as with Docker Desktop, there is no such address here, and nothing to do.
"""

import asyncio
import subprocess
import sys


def gateway() -> str:
    """The address under which Docker's default network sees this machine."""
    form = "{{(index .IPAM.Config 0).Gateway}}"
    command = ["docker", "network", "inspect", "bridge", "--format", form]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


async def copy(source: asyncio.StreamReader, destination: asyncio.StreamWriter) -> None:
    """Copies what comes in one direction, to its end."""
    try:
        while data := await source.read(65536):
            destination.write(data)
            await destination.drain()
    except ConnectionError:
        pass
    finally:
        destination.close()


async def main(port: int, command: list[str]) -> int:
    """Forwards while the command runs. Answers its exit code."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    try:
        server = await asyncio.start_server(forward, gateway(), port)
    except OSError:
        server = None
    process = await asyncio.create_subprocess_exec(*command)
    code = await process.wait()
    if server is not None:
        server.close()
    return code


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]), sys.argv[2:])))
