"""Runs the stack of template.yaml on MiniStack, an emulator of AWS that needs neither Docker nor an account.

`up` deploys it and shows what the functions log until Ctrl-C. `e2e COMMAND...` deploys it, runs the command with
POSTRIDER_URL, POSTRIDER_PLATFORM_KEY and the like in its environment, and ends with its exit code. Whatever happens,
nothing is left running.
"""

import argparse
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import deployment
import processes
from botocore.exceptions import BotoCoreError, ClientError
from deployment import ROOT, DeployError
from stack import Logs, Stack

# What the emulator gets of this program's environment, and the functions through it: on AWS they get nothing.
INHERITED = ("PATH", "HOME", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")


def main() -> int:
    """Does what the command line says. Answers the exit code."""
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    processes.adopt_orphans()
    folder: Path = arguments.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        functions = deployment.stage(arguments.binaries, folder)
        url, environment = start(arguments.port or free_port(), folder)
        print(f"deploying to {url}", flush=True)
        stack = deployment.deploy(folder, environment, url, functions)
        if arguments.action == "up":
            return follow(stack, folder)
        return run(stack, arguments.command, folder)
    except DeployError as error:
        print(f"{error}\nthe emulator's log: {folder / 'emulator.log'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        # A second Ctrl-C must not leave half of it behind.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        processes.end_all()
        for leftover in ("state", "target"):
            shutil.rmtree(folder / leftover, ignore_errors=True)
        for leftover in ("invoke.json", "invoke.yaml"):
            (folder / leftover).unlink(missing_ok=True)


def parse() -> argparse.Namespace:
    """The command line."""
    built = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, help="the emulator's port, default a free one")
    parser.add_argument("--binaries", type=Path, default=built / "debug", help="where the functions' programs are")
    parser.add_argument("--folder", type=Path, default=ROOT / "target" / "emulator", help="where to work")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("up", help="deploy, and show the functions' logs until Ctrl-C")
    e2e = actions.add_parser("e2e", help="deploy, and run a command against it")
    e2e.add_argument("command", nargs=argparse.REMAINDER, help="the command, with its arguments")
    arguments = parser.parse_args()
    if arguments.action == "e2e":
        if arguments.command[:1] == ["--"]:
            del arguments.command[0]
        if not arguments.command:
            parser.error("e2e needs a command")
    arguments.folder = arguments.folder.resolve()
    return arguments


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start(port: int, folder: Path) -> tuple[str, dict[str, str]]:
    """Starts the emulator and waits until it answers. Answers its URL, and an environment in which the AWS tools
    know it and nothing else."""
    url = f"http://127.0.0.1:{port}"
    state = folder / "state"
    state.mkdir()
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ} | {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
    }
    # The functions inherit the address of the emulator, which is how their own calls find it.
    emulator = environment | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_PORT": str(free_port()),
        "TMPDIR": str(state),
    }
    program = Path(sys.prefix) / "emulator" / "bin" / "ministack"
    if not program.is_file():
        raise DeployError(f"{program} is not there: `make tools` installs it")
    with (folder / "emulator.log").open("wb") as log:
        # In a session of its own: a Ctrl-C is for this program, which ends the emulator when it is done.
        subprocess.Popen(
            [str(program)],
            cwd=state,
            env=emulator,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deployment.wait_for(f"{url}/_ministack/health", 60)
    return url, environment


def follow(stack: Stack, folder: Path) -> int:
    """Shows where the stack is and what its functions log, until Ctrl-C."""
    stack.write_invocations((ROOT / "template.yaml").read_text(), ROOT / "target" / "lambda", folder)
    for name, value in stack.variables().items():
        print(f"{name}={shlex.quote(value)}")
    print("the functions' logs, until Ctrl-C:", flush=True)
    logs = Logs(stack)
    while True:
        for line in logs.new_lines():
            print(line, flush=True)
        time.sleep(1)


def run(stack: Stack, command: list[str], folder: Path) -> int:
    """Runs a command against the stack. Answers its exit code, and keeps what the functions logged."""
    process = subprocess.Popen(command, env=dict(os.environ) | stack.variables())
    try:
        return process.wait()
    finally:
        processes.end(process)
        log = folder / "functions.log"
        try:
            log.write_text("".join(f"{line}\n" for line in Logs(stack).new_lines()))
            print(f"the functions' logs: {log}", flush=True)
        except (BotoCoreError, ClientError) as error:
            print(f"the functions' logs cannot be read: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
