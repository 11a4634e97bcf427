// Verifies `v1a` signatures with the ed25519 of Node.js (OpenSSL's) and a published JSON Web Key Set.
//
// Reads JSON lines with `secret` (the key set, as JSON text), `headers` and `body` (base64), and answers each with
// a line: `ok`, or `fail` and the reason.

import { createPublicKey, verify } from "node:crypto";
import { createInterface } from "node:readline";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line);
  const keys = JSON.parse(secret).keys.map((key) => createPublicKey({ key, format: "jwk" }));
  const head = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`;
  const text = Buffer.concat([Buffer.from(head), Buffer.from(body, "base64")]);
  const signatures = headers["webhook-signature"].split(" ").filter((one) => one.startsWith("v1a,"));
  const genuine = signatures.some((one) => {
    const signature = Buffer.from(one.slice(4), "base64");
    return keys.some((key) => verify(null, text, key, signature));
  });
  console.log(genuine ? "ok" : `fail none of ${signatures.length} signatures`);
}
