// @evervault/attestation-bindings: the Rust of evervault-attestation-bindings in Node.js. No PCRs stand for any.
import { serve } from "./loop.mjs";
import { attestEnclave } from "@evervault/attestation-bindings";

await serve(({ document, pcrs, tlsCertificate }) => {
  const expected = pcrs.size ? [{ pcr0: pcrs.get(0), pcr1: pcrs.get(1), pcr2: pcrs.get(2), pcr8: pcrs.get(8) }] : [];
  if (!attestEnclave(tlsCertificate, expected, document)) throw new Error("refused");
});
