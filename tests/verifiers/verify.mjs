// Verifies webhooks with the package `standardwebhooks`.
//
// Reads JSON lines with `secret`, `headers` and `body` (base64), and answers each with a line: `ok`, or `fail`
// and the reason.

import { createInterface } from "node:readline";

import { Webhook, WebhookVerificationError } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const body = Buffer.from(request.body, "base64");
  try {
    new Webhook(request.secret).verify(body, request.headers);
    console.log("ok");
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    console.log(`fail ${error.message}`);
  }
}
