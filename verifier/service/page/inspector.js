
"use strict";
// Everything that a document says, or the service answers, becomes a text node: `make` is the only maker of elements, and
// nothing here reads markup. The page's Content-Security-Policy would stop it, too (Trusted Types, none allowed).
(() => {
  const MAX_BYTES = Number(document.currentScript.dataset.maxBytes);
  const MAX_FILE = 4 * MAX_BYTES; // as hexadecimal digits a document takes twice its size, and blanks some more
  const EXPLANATION = "application/vnd.nitro-verifier.explanation+json";
  const HEX_SHOWN = 12;
  const UNITS = [[86400, "days"], [3600, "h"], [60, "min"]];
  const OUTCOMES = { passed: ["✓ ok", "good"], failed: ["✗ failed", "bad-word"], "not-checked": ["– not checked", "muted"] };
  const ORIGINS = {
    proven: "Its origin is proven: a Nitro module under a trusted root signed it.",
    "proven-at-another-time": "Its origin is proven, but for another time: a Nitro module under a trusted root signed it, "
      + "and its certificates are not valid at this time.",
    unproven: "Who made this is NOT proven: what follows is only what the bytes say, and anybody may have written them.",
  };

  const $ = (id) => document.getElementById(id);
  let chosen = null; // a file's name and bytes; null while the text counts
  let policies = new Map();
  let busy = false;

  /** Make an element; strings among the children become text. Attributes are ours alone, never a document's. */
  function make(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    element.append(...children.flat().filter((child) => child !== null && child !== ""));
    return element;
  }

  const mono = (text) => make("span", { class: "mono" }, text);
  const unproven = (doubt) => (doubt ? [" ", make("span", { class: "tag" }, "unproven")] : []);

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
    const [format, bytes] = chosen ? decodeFile(chosen.bytes) : decodeText($("document").value);
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
    chosen = { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) };
    $("document").value = "";
    complain("");
    showRead();
  }

  function clear() {
    chosen = null;
    $("document").value = $("file").value = "";
    showRead();
    $("document").focus();
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

  // --- showing an explanation ---

  function sections(facts, requestId) {
    const doubt = facts.origin === "unproven";
    return [
      summary(facts),
      facts.failed.length ? card("What to do", false, remedies(facts.checks)) : null,
      card("Checks", false, checks(facts.checks)),
      facts.builds ? card("Measurements beside the policy's builds", doubt, builds(facts.builds)) : null,
      card("Clock", doubt, clock(facts.clock)),
      facts.certificates.length ? card("Certificates", doubt, certificates(facts)) : null,
      facts.identity.length ? card("Identity", doubt, identity(facts.identity)) : null,
      facts.unaffirmed ? card("What the document says", doubt, stated(facts)) : null,
      card("This explanation", false, about(facts, requestId)),
    ].filter(Boolean);
  }

  function card(title, doubt, ...content) {
    return make("section", { class: "card" }, make("h2", {}, title, unproven(doubt)), ...content);
  }

  function summary(facts) {
    const at = facts.clock.historical ? `As of ${moment(facts.clock.at)}, not now.` : "";
    return make("div", { class: facts.failed.length ? "card summary failed" : "card summary" },
      make("p", { class: "eyebrow" }, "An explanation, not a verdict"),
      make("h2", { id: "explanation-title", tabindex: "-1" }, facts.summary.charAt(0).toUpperCase() + facts.summary.slice(1)),
      make("p", { class: facts.origin === "proven" ? "" : "warn" }, make("strong", {}, ORIGINS[facts.origin])),
      at ? make("p", { class: "warn" }, at) : null,
      make("p", { class: "hint" }, "It affirms nothing, and does not look whether a nonce was used before. ",
        make("code", {}, "POST /v1/verify"), " gives the verdict."));
  }

  function remedies(checks) {
    const found = checks.flatMap((check) => check.reasons.map((reason) => [check, reason]));
    return make("ol", { class: "reasons" }, found.map(([check, reason]) => make("li", { id: anchor(check, reason) },
      make("h3", {}, make("code", {}, reason.code), unproven(check.unproven)),
      reason.detail ? make("p", {}, reason.detail) : null,
      make("p", {}, make("strong", {}, "→ "), reason.hint))));
  }

  const anchor = (check, reason) => `reason-${check.name}-${reason.code}`;

  function checks(all) {
    return make("ul", { class: "checks", id: "checks" }, all.map((check) => {
      const doubt = check.unproven && check.outcome !== "not-checked";
      const [word, look] = doubt && check.outcome === "passed" ? ["(ok)", "muted"] : OUTCOMES[check.outcome];
      const codes = check.reasons.map((reason) => make("p", {}, make("a", { href: `#${anchor(check, reason)}` }, make("code", {}, reason.code))));
      return make("li", { class: check.outcome },
        make("span", { class: `outcome ${look}` }, word),
        make("span", { class: "name" }, check.name),
        make("div", { class: "about" },
          make("p", {}, check.question, unproven(doubt)),
          check.note ? make("p", { class: check.reasons.length ? "" : "muted" }, check.note) : null,
          codes));
    }));
  }

  function builds(compared) {
    const shown = compared.listed;
    const indices = [...new Set(shown.flatMap((build) => build.pcrs.map((pcr) => pcr.index)))].sort((a, b) => a - b);
    const partial = compared.total > shown.length ? `The nearest ${shown.length} of ${compared.total} builds.` : "";
    const skipped = compared.total > compared.compared ? ` Only the first ${compared.compared} were compared.` : "";
    return [
      make("ul", { class: "builds" }, shown.map((build, position) => make("li", {}, make("strong", {}, build.name), ": ", difference(build, position)))),
      scroll("PCRs of the document and of each build", make("table", { class: "pcrs" },
        make("thead", {}, make("tr", {}, ["PCR", "document", ...shown.map((build) => build.name)].map((name) => make("th", { scope: "col" }, name)))),
        make("tbody", {}, indices.map((index) => pcrRow(index, shown))))),
      make("p", { class: "hint" }, "First digits. ", partial, skipped),
    ];
  }

  function difference(build, position) {
    const nothing = build.pcrs.every((pcr) => !pcr.same);
    const words = build.differs.length ? `differs in ${build.differs.join(", ")}` : "nothing that can be compared differs";
    const near = position === 0 ? (nothing && build.differs.length ? " (none is nearer, and no PCR is the same)" : " (nearest)") : "";
    const window = build.in_window ? "" : make("span", { class: "warn" },
      `; outside its window, ${moment(build.not_before) || "any time"} to ${moment(build.not_after) || "any time"}`);
    return [words, near, window];
  }

  function pcrRow(index, shown) {
    const cells = shown.map((build) => build.pcrs.find((pcr) => pcr.index === index));
    const [stated] = cells.filter(Boolean);
    return make("tr", {},
      make("th", { scope: "row" }, `PCR${index}`, make("span", { class: "optional" }, stated.name)),
      make("td", {}, stated.actual === null ? make("span", { class: "bad-word" }, "absent") : mono(digits(stated.actual))),
      cells.map((pcr) => make("td", {}, expected(pcr))));
  }

  function expected(pcr) {
    if (!pcr) return "–";
    return pcr.same ? make("span", { class: "good" }, "✓ same") : make("span", { class: "bad-word mono" }, `✗ ${digits(pcr.expected)}`);
  }

  const digits = (hex) => (/^0+$/.test(hex) ? "zero" : hex.slice(0, HEX_SHOWN));

  function clock(times) {
    const row = (name, text, note) => (text ? [[name, [moment(text), " ", make("span", { class: "muted" }, note || apart(times.at, text))]]] : []);
    return facts([
      ...row("looked at", times.at, times.historical ? "the time that was given, not now" : "now, by this service's clock"),
      ...row("made", times.timestamp, times.timestamp && `${apart(times.at, times.timestamp)}, by the NSM's clock`),
      ...row("nonce issued", times.nonce_issued_at),
      ...row("nonce good until", times.nonce_expires_at),
    ]);
  }

  function certificates(facts) {
    const looks = { valid: "good", expired: "bad-word", "not-yet-valid": "warn" };
    return scroll("Windows of the certificates", make("table", { class: "times" },
      make("thead", {}, make("tr", {}, ["certificate", "state", "from", "to", "time in its window"].map((name) => make("th", { scope: "col" }, name)))),
      make("tbody", {}, facts.certificates.map((one) => make("tr", {},
        make("th", { scope: "row" }, one.role),
        make("td", { class: looks[one.state] || "" }, one.state.replaceAll("-", " ")),
        make("td", {}, mono(moment(one.not_before))),
        make("td", {}, mono(moment(one.not_after))),
        make("td", {}, place(one, facts.clock.at)))))));
  }

  /** A bar for a window, and where in it the time of the explanation lies. */
  function place(certificate, at) {
    const [begin, end, now] = [certificate.not_before, certificate.not_after, at].map(Date.parse);
    const share = Math.min(Math.max((now - begin) / (end - begin || 1), 0), 1) * 100;
    const mark = make("i", {});
    mark.style.setProperty("--at", `${share.toFixed(1)}%`);
    const side = now < begin ? "before it" : now > end ? "behind it" : `${share.toFixed(0)} % of it is over`;
    return make("span", { class: now < begin || now > end ? "window outside" : "window", role: "img", "aria-label": side }, mark);
  }

  function identity(ties) {
    const looks = { agrees: "good", differs: "warn" };
    return [
      facts(ties.map((tie) => [make("span", { class: looks[tie.outcome] || "muted" }, tie.outcome), [tie.name, make("br"), make("span", { class: "mono muted" }, tie.detail)]])),
      make("p", { class: "hint" }, "Copies of the enclave's identity. Reported, and never judged."),
    ];
  }

  function stated({ unaffirmed: said, origin }) {
    const size = (bytes) => (bytes === null ? "none" : `${bytes} bytes`);
    return [
      facts([
        ["kind", said.kind],
        ["module_id", mono(said.module_id)],
        ["debug mode", said.debug ? make("strong", { class: "warn" }, "yes: PCR0, PCR1 and PCR2 are zero") : "no"],
        ["nonce", said.nonce === null ? "none" : said.nonce === "" ? "0 bytes" : mono(said.nonce)],
        ["user_data", size(said.user_data_bytes)],
        ["public_key", size(said.public_key_bytes)],
        ["unrecognised fields", said.unrecognised_fields.length ? said.unrecognised_fields.map((name) => make("div", {}, mono(name))) : "none"],
      ]),
      make("details", {}, make("summary", {}, `All ${Object.keys(said.pcrs).length} PCRs`),
        facts(Object.entries(said.pcrs).map(([index, value]) => [`PCR${index}`, mono(/^0+$/.test(value) ? "zero" : value)]))),
      snippet(said, origin),
    ];
  }

  /** Offer a build for a policy: never of a document that anybody may have written, and with what is wrong about it. */
  function snippet(said, origin) {
    const image = ["0", "1", "2"].map((index) => said.pcrs[index] || "");
    if (origin === "unproven" || said.kind !== "enclave" || image.some((value) => /^0*$/.test(value))) return "";
    const text = "# Stated by a document. Compare each value with what your own build printed before you trust it.\n"
      + `[[build]]\nname = "stated-by-a-document"\n\n[build.pcrs]\n${image.map((value, index) => `${index} = "${value}"`).join("\n")}\n`;
    const code = make("code", {}, text);
    const copied = make("span", { role: "status" });
    const button = make("button", { type: "button", class: "plain" }, "Copy");
    button.addEventListener("click", () => copy(code, copied));
    return make("details", { id: "snippet" }, make("summary", {}, "These measurements as a policy's build"),
      make("div", { class: "notice" },
        make("p", {}, make("strong", {}, "Circular as a source of trust. "), "A policy made of what a document says accepts that "
          + "very document, whoever runs the enclave and whatever it runs: any AWS customer gets genuine documents. Take the values "
          + "from your own build, and use these only to compare. ", make("a", { href: "#sources" }, "Where measurements come from"))),
      make("pre", { tabindex: "0" }, code), make("div", { class: "row" }, button, copied));
  }

  async function copy(code, told) {
    try {
      await navigator.clipboard.writeText(code.textContent); // not there, without TLS
      told.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code);
      told.textContent = "selected: copy it with Ctrl+C or ⌘C";
    }
  }

  function about({ policy, evidence_bytes: size, evidence_sha256: sha256 }, requestId) {
    return facts([
      ["document", [`${size} bytes, SHA-256 `, mono(sha256)]],
      ...(policy ? [["policy", [policy.name, ", SHA-256 ", mono(policy.sha256)]]] : []),
      ...(requestId ? [["request", mono(requestId)]] : []),
    ]);
  }

  const facts = (rows) => make("dl", {}, rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  const scroll = (label, table) => make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);
  const moment = (text) => text && text.replace("T", " ").replace(/\.000Z$/, "Z");

  function span(seconds) {
    const [size, unit] = UNITS.find(([each]) => seconds >= 2 * each) || [1, "s"];
    return `${Number((seconds / size).toFixed(size === 1 ? 3 : 1))} ${unit}`;
  }

  function apart(at, text) {
    const seconds = (Date.parse(at) - Date.parse(text)) / 1000;
    return seconds >= 0 ? `${span(seconds)} before` : `${span(-seconds)} after`;
  }

  // --- listening ---

  $("form").addEventListener("submit", (event) => { event.preventDefault(); explain(); });
  $("document").addEventListener("input", () => { chosen = null; $("file").value = ""; showRead(); });
  $("file").addEventListener("change", (event) => event.target.files.length && takeFile(event.target.files[0]));
  $("clear").addEventListener("click", clear);
  $("policy").addEventListener("change", describePolicy);
  $("when").addEventListener("change", () => { $("at-field").hidden = $("when").value !== "other"; });
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
  showRead();
  loadPolicies();
})();
