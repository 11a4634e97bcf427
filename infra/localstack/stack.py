"""A stack that is deployed on an emulator: where it is, what it logs, how to invoke its functions by hand."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import boto3

Service = Literal["cloudformation", "lambda", "logs", "secretsmanager"]


def client(service: Service, emulator_url: str) -> Any:
    """A client of the emulator, and of nothing else."""
    return boto3.client(
        service,
        endpoint_url=emulator_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@dataclass(frozen=True)
class Stack:
    """A deployed stack."""

    name: str
    emulator_url: str
    outputs: dict[str, str]
    platform_key: str
    # The functions' names, and their resources in the template.
    functions: dict[str, str]

    @property
    def url(self) -> str:
        """Where the API is. The functions get the path without what comes before it here."""
        return f"{self.emulator_url}/_aws/execute-api/{self.outputs['ApiId']}"

    def variables(self) -> dict[str, str]:
        """What a command that uses the stack finds in its environment."""
        return {
            "POSTRIDER_URL": self.url,
            "POSTRIDER_PLATFORM_KEY": self.platform_key,
            "POSTRIDER_EMULATOR_URL": self.emulator_url,
            "POSTRIDER_BUS": self.outputs["BusName"],
            "POSTRIDER_INBOX_QUEUE_URL": self.outputs["InboxQueueUrl"],
            "POSTRIDER_INBOX_DLQ_URL": self.outputs["InboxDeadLetterQueueUrl"],
            "POSTRIDER_BUS_DLQ_URL": self.outputs["BusDeadLetterQueueUrl"],
        }

    def write_invocations(self, template: str, programs: Path, folder: Path) -> None:
        """Writes what `make invoke` runs a function with on this stack: a template and the functions' variables.

        The SAM CLI passes only variables that a template names, and the emulator's address, as containers see it
        (reach.py), is not one of them.
        """
        first = "        POSTRIDER_LOG: "
        address = self.emulator_url.replace("127.0.0.1", "host.docker.internal")
        template = template.replace(first, f"        AWS_ENDPOINT_URL: {address}\n{first}", 1)
        (folder / "invoke.yaml").write_text(template.replace("CodeUri: target/lambda/", f"CodeUri: {programs}/"))
        functions = client("lambda", self.emulator_url)
        variables = {}
        for name, resource in self.functions.items():
            deployed = functions.get_function_configuration(FunctionName=f"{self.name}-{name}")
            variables[resource] = deployed["Environment"]["Variables"]
        (folder / "invoke.json").write_text(json.dumps(variables, indent=2))


class Logs:
    """What the functions of a stack log, from the beginning."""

    def __init__(self, stack: Stack) -> None:
        """Begins before the first line."""
        self._client = client("logs", stack.emulator_url)
        self._groups = {name: f"/aws/lambda/{stack.name}-{name}" for name in stack.functions}
        # How often a line was there: the emulator gives events no ids.
        self._seen: Counter[tuple[str, ...]] = Counter()

    def new_lines(self) -> Iterator[str]:
        """What was not there the last time."""
        found: Counter[tuple[str, ...]] = Counter()
        for name, group in self._groups.items():
            pages = self._client.get_paginator("filter_log_events").paginate(logGroupName=group)
            for event in (event for page in pages for event in page["events"]):
                line = (event["logStreamName"], str(event["timestamp"]), event["message"])
                found[line] += 1
                if found[line] > self._seen[line]:
                    yield f"{name}: {event['message'].rstrip()}"
        self._seen = found
