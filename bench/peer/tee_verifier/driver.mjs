// @0xsequence/tee-verifier: JavaScript over pkijs and Web Crypto, called step by step as its README shows.
import { serve } from "./loop.mjs";

globalThis.window = globalThis; // it is written for browsers
const { SignedAttestation } = await import("@0xsequence/tee-verifier");

await serve(async ({ document, pcrs }) => {
  const attestation = SignedAttestation.fromDocument(document.toString("base64"));
  for (const [index, value] of pcrs) if (attestation.pcrs.get(index) !== value) throw new Error(`PCR${index}`);
  if (!(await attestation.verifyRootOfTrust(new Date()))) throw new Error("path");
  if ((await attestation.rootCertFingerprint()) !== process.env.PEER_ROOT_SHA256) throw new Error("root");
  if (!(await attestation.verifySignature())) throw new Error("signature");
});
