
// What a person gives, what the service is asked, and where its answer goes.
(() => {
  const { make, sections, span } = Explanation;
  const MAX_BYTES = Number(document.currentScript.dataset.maxBytes);
  const MAX_FILE = 4 * MAX_BYTES; // as hexadecimal digits a document takes twice its size, and blanks some more
  const EXPLANATION = "application/vnd.nitro-verifier.explanation+json";

  const $ = (id) => document.getElementById(id);
  let chosen = null; // a file's name and bytes; null while the text counts
  let policies = new Map();
  let busy = false;

  // --- reading what was given ---

  /** Give the bytes of a text in hex, base64 or base64url; blanks and line ends are passed over. */
  function decodeText(text) {
    const compact = text.replace(/\s+/g, "");
    const digits = compact.replace(/^0x/i, "").replace(/:/g, "");
    if (!compact) throw new Error("There is no document yet: paste one, or choose a file.");
    if (/^(?:[0-9a-f]{2})+$/i.test(digits)) {
      return ["hex", Uint8Array.from(digits.match(/../g), (pair) => parseInt(pair, 16))];
    }
    const stray = compact.match(/[^A-Za-z0-9+/_=-]/u);
    if (stray) throw new Error(`Not hex, base64 or base64url: there is a ${JSON.stringify(stray[0])} in it.`);
    const name = /[-_]/.test(compact) ? "base64url" : "base64";
    try {
      const binary = atob(compact.replace(/-/g, "+").replace(/_/g, "/").replace(/=+$/, ""));
      return [name, Uint8Array.from(binary, (char) => char.charCodeAt(0))];
    } catch {
      throw new Error(`Not whole as ${name}: it was cut off, or something was added.`);
    }
  }

  /** A document begins with a byte that no text has, so a file of ASCII holds its digits. */
  function decodeFile(bytes) {
    const isText = bytes.length > 0 && bytes.every((byte) => (byte >= 32 && byte < 127) || (byte >= 9 && byte <= 13));
    return isText ? decodeText(new TextDecoder().decode(bytes)) : ["binary", bytes];
  }

  function readDocument() {
    const text = $("document").value;
    if (text.length > MAX_FILE) throw new Error(`${text.length} characters: a document has at most ${MAX_BYTES} bytes.`);
    const [format, bytes] = chosen ? decodeFile(chosen.bytes) : decodeText(text);
    if (bytes.length > MAX_BYTES) throw new Error(`${bytes.length} bytes: this service takes at most ${MAX_BYTES}.`);
    return { format, bytes };
  }

  function showRead() {
    const empty = !chosen && !$("document").value.trim();
    $("clear").hidden = empty;
    let text = "nothing yet";
    if (!empty) {
      try {
        const { format, bytes } = readDocument();
        text = `read as ${format}: ${bytes.length} bytes`;
      } catch (error) {
        text = error.message;
      }
    }
    $("document-read").textContent = chosen ? `${chosen.name}: ${text}` : text;
  }

  async function takeFile(file) {
    if (file.size > MAX_FILE) return complain(`${file.name} has ${file.size} bytes: a document has at most ${MAX_BYTES}.`);
    try {
      chosen = { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) };
    } catch {
      return complain(`${file.name} cannot be read.`); // a folder, or gone since
    }
    $("document").value = "";
    complain("");
    return showRead();
  }

  function clear() {
    chosen = null;
    $("document").value = $("file").value = "";
    showRead();
    $("document").focus();
  }

  function showTime() {
    $("at-field").hidden = $("when").value !== "other";
  }

  // --- asking ---

  async function ask(path, options) {
    let response;
    try {
      response = await fetch(path, { cache: "no-store", redirect: "error", ...options });
    } catch {
      throw new Error("The service did not answer.");
    }
    const type = response.headers.get("Content-Type") || "";
    if (!/^application\/[a-z.+-]*json\b/.test(type)) throw new Error(`What answered is not the service (status ${response.status}).`);
    const body = await response.json();
    if (!response.ok) throw new Error([body.title, body.detail].filter(Boolean).join(": "));
    return body;
  }

  async function loadPolicies() {
    try {
      const listing = await ask("v1/policies");
      const usable = listing.policies.filter((policy) => policy.shadow_of === null);
      policies = new Map(usable.map((policy) => [policy.name, policy]));
      const options = usable.map((policy) => make("option", { value: policy.name }, policy.name));
      if (!listing.default_policy && options.length > 1) options.unshift(make("option", { value: "" }, "choose one"));
      $("policy").replaceChildren(...options);
      if (listing.default_policy) $("policy").value = listing.default_policy;
      describePolicy();
    } catch (error) {
      $("policy-says").textContent = "";
      complain(`The policies could not be read. ${error.message}`);
    }
  }

  function describePolicy() {
    const policy = policies.get($("policy").value);
    $("policy-says").textContent = policy ? sketch(policy) : "What to compare the document with.";
  }

  function sketch(policy) {
    const nonces = { required: "a nonce of this service", caller: "the nonce that you name", none: "no nonce" };
    const builds = `${policy.builds.length} ${policy.builds.length === 1 ? "build" : "builds"}`;
    const parts = [builds, `at most ${span(policy.max_age_ms / 1000)} old`, `asks for ${nonces[policy.nonce]}`];
    if (policy.evidence === "nitro-tpm") parts.push("for NitroTPM");
    if (policy.debug === "allow") parts.push("ALLOWS DEBUG MODE");
    return parts.join("; ");
  }

  function request() {
    const { bytes } = readDocument();
    if (!$("policy").value) throw new Error("Choose a policy to compare the document with.");
    const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    const wanted = { document: btoa(binary), policy: $("policy").value };
    const nonce = $("nonce").value.trim();
    const when = $("when").value;
    if (nonce) wanted.nonce = nonce;
    if (when) wanted.at = when === "other" ? $("at").value.trim() : when;
    return wanted;
  }

  async function explain() {
    if (busy) return;
    busy = true;
    complain("");
    try {
      const body = JSON.stringify(request());
      $("status").textContent = "asking";
      const headers = { "Content-Type": "application/json", Accept: EXPLANATION };
      const answer = await ask("v1/explain", { method: "POST", headers, body });
      $("explanation").replaceChildren(...sections(answer.explanation, answer.request_id));
      $("explanation").hidden = false;
      $("status").textContent = "explained below";
      $("explanation-title").focus();
      $("explanation").scrollIntoView();
    } catch (error) {
      $("explanation").hidden = true; // it was about another request
      complain(error.message);
    }
    busy = false;
  }

  function complain(text) {
    $("problem").textContent = text;
    $("problem").hidden = !text;
    if (text) $("status").textContent = "";
  }

  // --- listening ---

  $("form").addEventListener("submit", (event) => { event.preventDefault(); explain(); });
  $("document").addEventListener("input", () => { chosen = null; $("file").value = ""; showRead(); });
  $("file").addEventListener("change", (event) => event.target.files.length && takeFile(event.target.files[0]));
  $("clear").addEventListener("click", clear);
  $("policy").addEventListener("change", describePolicy);
  $("when").addEventListener("change", showTime);
  addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
  addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    const [file] = event.dataTransfer.files;
    if (!file && event.target === $("document")) return; // text: the field takes it
    event.preventDefault();
    if (file) takeFile(file);
  });

  $("form").hidden = false;
  showRead(); // browsers keep what was in fields
  showTime();
  loadPolicies();
})();
