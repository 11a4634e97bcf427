"""Verifies webhooks with the package `standardwebhooks`.

Reads JSON lines with `secret`, `headers` and `body` (base64), and answers each with a line: `ok`, or `fail` and
the reason.
"""

import base64
import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

for line in sys.stdin:
    request = json.loads(line)
    body = base64.b64decode(request["body"])
    try:
        Webhook(request["secret"]).verify(body, request["headers"])
        print("ok")
    except WebhookVerificationError as error:
        print(f"fail {error}")
