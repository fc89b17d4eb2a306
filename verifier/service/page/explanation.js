
"use strict";
// Everything that a document says, or the service answers, becomes a text node: `make` is the only maker of elements, and
// nothing here reads markup. The page's Content-Security-Policy would stop it, too (Trusted Types, none allowed).
const Explanation = (() => {
  const HEX_SHOWN = 12;
  const UNITS = [[86400, "days"], [3600, "h"], [60, "min"]];
  const OUTCOMES = { passed: ["✓ ok", "good"], failed: ["✗ failed", "bad-word"], "not-checked": ["– not checked", "muted"] };
  const ORIGINS = {
    proven: "Its origin is proven: a Nitro module under a trusted root signed it.",
    "proven-at-another-time": "Its origin is proven, but for another time: a Nitro module under a trusted root signed it, "
      + "and its certificates are not valid at this time.",
    unproven: "Who made this is NOT proven: what follows is only what the bytes say, and anybody may have written them.",
  };

  /** Make an element; strings among the children become text. Attributes are ours alone, never a document's. */
  function make(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    element.append(...children.flat().filter((child) => child !== null && child !== ""));
    return element;
  }

  const mono = (text) => make("span", { class: "mono" }, text);
  const unproven = (doubt) => (doubt ? [" ", make("span", { class: "tag" }, "unproven")] : []);

  /** Give an explanation as elements. Unless its origin is proven, anybody may have written what it is about. */
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
    const alike = build.pcrs.every((pcr) => pcr.same) ? "the same" : "nothing that can be compared differs";
    const words = build.differs.length ? `differs in ${build.differs.join(", ")}` : alike;
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
    return pairs([
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
      pairs(ties.map((tie) => [make("span", { class: looks[tie.outcome] || "muted" }, tie.outcome), [tie.name, make("br"), make("span", { class: "mono muted" }, tie.detail)]])),
      make("p", { class: "hint" }, "Copies of the enclave's identity. Reported, and never judged."),
    ];
  }

  function stated({ unaffirmed: said, origin }) {
    const size = (bytes) => (bytes === null ? "none" : `${bytes} bytes`);
    return [
      pairs([
        ["kind", said.kind],
        ["module_id", mono(said.module_id)],
        ["debug mode", said.debug ? make("strong", { class: "warn" }, "yes: PCR0, PCR1 and PCR2 are zero") : "no"],
        ["nonce", said.nonce === null ? "none" : said.nonce === "" ? "0 bytes" : mono(said.nonce)],
        ["user_data", size(said.user_data_bytes)],
        ["public_key", size(said.public_key_bytes)],
        ["unrecognised fields", said.unrecognised_fields.length ? said.unrecognised_fields.map((name) => make("div", {}, mono(name))) : "none"],
      ]),
      make("details", {}, make("summary", {}, `All ${Object.keys(said.pcrs).length} PCRs`),
        pairs(Object.entries(said.pcrs).map(([index, value]) => [`PCR${index}`, mono(/^0+$/.test(value) ? "zero" : value)]))),
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
    return pairs([
      ["document", [`${size} bytes, SHA-256 `, mono(sha256)]],
      ...(policy ? [["policy", [policy.name, ", SHA-256 ", mono(policy.sha256)]]] : []),
      ...(requestId ? [["request", mono(requestId)]] : []),
    ]);
  }

  const pairs = (rows) => make("dl", {}, rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
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

  return { make, sections, span };
})();
