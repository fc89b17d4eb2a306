// What the drivers of npm packages share; see loop.py.
import { createInterface } from "node:readline";

export async function serve(verify) {
  for await (const line of createInterface({ input: process.stdin })) {
    const fields = JSON.parse(line);
    const order = {
      document: Buffer.from(fields.document, "base64"),
      pcrs: new Map(Object.entries(fields.pcrs).map(([index, value]) => [Number(index), value])),
      tlsCertificate: Buffer.from(fields.tls_certificate, "base64"),
    };
    let answer = { accepted: true, why: "" };
    try {
      for (let call = 0; call < fields.calls; call++) await verify(order);
    } catch (error) {
      answer = { accepted: false, why: String(error).slice(0, 200) };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
}
