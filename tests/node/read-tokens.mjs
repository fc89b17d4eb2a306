// Reads tokens with the npm package jose and nothing of ours but the JWKS. In: JSON on standard input. Out: what each
// token says, or why it was refused.
import { createLocalJWKSet, jwtVerify } from "jose";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { jwks, tokens, issuer, audience, at } = JSON.parse(Buffer.concat(chunks));
const keys = createLocalJWKSet(jwks);
const options = {
  issuer,
  audience,
  typ: "eat+jwt",
  algorithms: ["ES256", "ES384", "EdDSA"],
  requiredClaims: ["exp", "iat", "jti"],
  currentDate: new Date(at),
};

const readings = [];
for (const token of tokens) {
  try {
    const { payload, protectedHeader } = await jwtVerify(token, keys, options);
    readings.push({ payload, header: protectedHeader });
  } catch (error) {
    readings.push({ refused: error.code });
  }
}
console.log(JSON.stringify(readings));
