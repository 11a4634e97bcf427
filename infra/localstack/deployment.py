"""From template.yaml to a stack on an emulator: staged, deployed with the SAM CLI, put right, awaited."""

import platform
import re
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from secrets import token_hex
from typing import Any

from stack import Stack, client

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "samconfig.toml"
ENVIRONMENT = "local"

# Where a function's program is deployed from, in the template.
CODE = re.compile(r"^  (\w+):\n(?:    .*\n)+?      CodeUri: target/lambda/([a-z-]+)/$", re.MULTILINE)

# To this machine without the proxies that its environment may name.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class DeployError(Exception):
    """The stack could not be deployed. The text says why, or what to do."""


def stage(binaries: Path, folder: Path) -> dict[str, str]:
    """Puts the template and the functions' programs into a folder as they are deployed from.

    Answers the functions' names and their resources in the template.
    """
    template = (ROOT / "template.yaml").read_text()
    functions = {name: resource for resource, name in CODE.findall(template)}
    for name in functions:
        program = binaries / name
        if not program.is_file():
            raise DeployError(f"{program} is not there: build the functions first")
        destination = folder / "target" / "lambda" / name / "bootstrap"
        destination.parent.mkdir(parents=True)
        copy_stripped(program, destination)
    (folder / "template.yaml").write_text(template)
    return functions


def copy_stripped(program: Path, destination: Path) -> None:
    """Copies a program without its debug information, where there is a tool for that."""
    strip = shutil.which("strip")
    command = [strip or "strip", "-o", str(destination), str(program)]
    if strip is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        shutil.copy(program, destination)
    destination.chmod(0o755)


def deploy(folder: Path, environment: dict[str, str], emulator_url: str, functions: dict[str, str]) -> Stack:
    """Deploys what was staged, and waits until the API answers."""
    settings: dict[str, Any] = tomllib.loads(CONFIG.read_text())[ENVIRONMENT]["deploy"]["parameters"]
    overrides = [text for text in settings["parameter_overrides"] if not text.startswith("Architecture=")]
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    command = [
        *(str(Path(sys.executable).with_name("sam")), "deploy", "--no-progressbar"),
        *("--config-file", str(CONFIG), "--config-env", ENVIRONMENT),
        *("--template-file", str(folder / "template.yaml")),
        *("--parameter-overrides", f"Architecture={machine}", *overrides),
    ]
    log = folder / "deploy.log"
    with log.open("wb") as output:
        process = subprocess.run(command, cwd=folder, env=environment, stdout=output, stderr=output, check=False)
    if process.returncode != 0:
        raise DeployError(f"sam deploy failed:\n{log.read_text()[-4000:]}")
    name = settings["stack_name"]
    described = client("cloudformation", emulator_url).describe_stacks(StackName=name)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    make_limits_numbers(emulator_url)
    make_keys_plain(name, emulator_url)
    secret = client("secretsmanager", emulator_url).get_secret_value(SecretId=outputs["PlatformKeySecret"])
    stack = Stack(name, emulator_url, outputs, secret["SecretString"], functions)
    tell_address(stack)
    wait_for(f"{stack.url}/health", 60)
    return stack


def make_limits_numbers(emulator_url: str) -> None:
    """Gives event sources their limits again, as numbers: a limit from a parameter arrives as text, at which
    MiniStack's poller fails, for all queues."""
    functions = client("lambda", emulator_url)
    for source in functions.list_event_source_mappings()["EventSourceMappings"]:
        scaling = {name: int(value) for name, value in source.get("ScalingConfig", {}).items()}
        functions.update_event_source_mapping(UUID=source["UUID"], ScalingConfig=scaling)


def make_keys_plain(name: str, emulator_url: str) -> None:
    """Gives a new stack keys of letters and digits, as the template asks for: MiniStack's have any character, and a
    master key that begins with a brace is read as a list of several."""
    vault = client("secretsmanager", emulator_url)
    for secret in vault.list_secrets()["SecretList"]:
        if not secret["Name"].startswith(f"{name}-"):
            continue
        text = vault.get_secret_value(SecretId=secret["ARN"])["SecretString"]
        if not text.isalnum():
            vault.put_secret_value(SecretId=secret["ARN"], SecretString=token_hex(32))


def tell_address(stack: Stack) -> None:
    """Gives the functions that make links an address that leads to the API from here: the template's is a name that
    only some resolvers know."""
    functions = client("lambda", stack.emulator_url)
    for name in stack.functions:
        function = f"{stack.name}-{name}"
        variables = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        if "POSTRIDER_PUBLIC_URL" in variables:
            variables["POSTRIDER_PUBLIC_URL"] = stack.url
            functions.update_function_configuration(FunctionName=function, Environment={"Variables": variables})


def wait_for(url: str, seconds: float) -> None:
    """Waits until a URL answers with a status of success."""
    deadline = time.monotonic() + seconds
    trouble: object = None
    while time.monotonic() < deadline:
        try:
            with OPENER.open(url, timeout=10):
                return
        except urllib.error.HTTPError as error:
            trouble = f"{error.code} {error.read(500)!r}"
        except OSError as error:
            trouble = error
        time.sleep(0.2)
    raise DeployError(f"{url} does not answer: {trouble}")
