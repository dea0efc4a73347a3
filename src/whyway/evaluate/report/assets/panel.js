// The trace at one instant, in words and in fields: the decision, its causes, why not otherwise, whether words and action agree.
"use strict";
globalThis.Whyway = globalThis.Whyway || {};

// an element with attributes and children; a string becomes text, never HTML
Whyway.h = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined)
      made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
};

Whyway.Panel = class {
  constructor(element, data) {
    Object.assign(this, { element, data });
  }

  show(at) {
    const frame = this.data.frames[at],
      parts = frame.trace ? this.trace(frame.trace) : [Whyway.h("p", { class: "soft" }, "no trace at this instant")];
    if (frame.safe) parts.unshift(this.safety(frame.safe));
    this.element.replaceChildren(...parts);
  }

  name(kind, value) {
    return Whyway.words(Whyway.names[kind][value] ?? value);
  }

  decision([longitudinal, lateral, direction]) {
    const side = direction ? ` ${this.name("Direction", direction)}` : "";
    return this.name("Longitudinal", longitudinal) + (lateral ? `, ${this.name("Lateral", lateral)}${side}` : "");
  }

  safety([state, fault, reason, id]) {
    const what = this.data.texts[reason] || this.name("Fault", fault);
    return Whyway.h(
      "p",
      { class: "alarm" },
      `Safety: ${this.name("SafetyState", state)}`,
      what ? `, ${what}` : "",
      id ? ` (object ${id})` : "",
    );
  }

  trace(t) {
    return [this.because(t), this.whyNot(t), this.agreement(t), this.expected(t), this.fields(t)].filter(Boolean);
  }

  block(title, ...children) {
    return Whyway.h("section", { class: "block" }, Whyway.h("h4", {}, title), ...children);
  }

  because({ does, causes }) {
    const head = Whyway.h(
      "p",
      { class: "decision" },
      Whyway.h("i", { class: "dot", style: `background:${Whyway.names.colors.Longitudinal[does[0]]}` }),
      this.decision(does),
    );
    if (!causes.length) return this.block("It decides", head, Whyway.h("p", { class: "soft" }, "no cause cited"));
    const rows = causes.map(([, , weight, text, without]) =>
      Whyway.h(
        "li",
        {},
        Whyway.h("b", { class: "cause" }, this.data.texts[text]),
        Whyway.h("meter", { min: 0, max: 100, value: weight, "aria-label": `weight ${weight} %` }),
        Whyway.h("small", {}, `${weight} % · without it, ${this.data.texts[without]}`),
      ),
    );
    return this.block("It decides", head, Whyway.h("ul", { class: "causes" }, rows));
  }

  object([id, kindOf, role]) {
    return `${this.name("ObjectClass", kindOf)} ${id}, ${this.name("Role", role)}`;
  }

  whyNot({ not }) {
    if (!not.length) return null;
    return this.block(
      "Why not otherwise",
      Whyway.h(
        "ul",
        { class: "not" },
        not.map(([text, risk]) => {
          const [does, why] = this.data.texts[text].split(/: (.*)/s);
          return Whyway.h("li", { class: `risk${risk}` }, Whyway.h("b", {}, does), ": ", why ?? "");
        }),
      ),
    );
  }

  agreement({ did, checks, validator }) {
    const [grammar, longitudinal, lateral, lane, grounded, fallback] = checks;
    const axis = (label, agrees, done) =>
      Whyway.h(
        "li",
        { class: ["good", "unsure", "bad"][agrees] },
        `${label}: ${["agrees", "not supported", "contradicts"][agrees]}`,
        Whyway.h("small", {}, ` the plan: ${done}`),
      );
    const flag = (good, yes, no) => Whyway.h("li", { class: good ? "good" : "bad" }, good ? yes : no);
    const by = validator === null ? "" : this.data.texts[validator];
    return this.block(
      "Does it do what it says",
      Whyway.h(
        "ul",
        { class: "checks" },
        axis("speed", longitudinal, this.name("MetaLongitudinal", did[0])),
        axis("steering", lateral, this.name("MetaLateral", did[1])),
        axis("lane", lane, this.name("MetaLane", did[2])),
        flag(grounded, "what it cites is there", "cites what is not there"),
        grammar ? null : flag(false, "", "not a valid trace"),
        fallback ? flag(false, "", `a fallback answered${by ? `: ${by}` : ""}`) : null,
      ),
      by && !fallback ? Whyway.h("small", { class: "by" }, `said by ${by}`) : null,
    );
  }

  expected({ cites }) {
    if (!cites.length) return null;
    return this.block(
      "Whom it considers",
      Whyway.h(
        "ul",
        { class: "who" },
        cites.map((c) => {
          const [, , , relation, relevance, intent, probability, conflict, ttc, gap, when] = c,
            lane = ["in our lane", "in the lane to the left", "in the lane to the right", "off our lanes"][relation];
          const will = intent === undefined ? "" : `will ${this.name("Intent", intent)} (${probability} %), `;
          const meets = !conflict
            ? "no conflict"
            : `${this.name("Conflict", conflict)} conflict` +
              this.number(when, 10, 1, " s", " in ") +
              this.number(gap, 100, 1, " m", ", gap ") +
              this.number(ttc, 10, 1, " s", ", TTC ");
          return Whyway.h(
            "li",
            {},
            Whyway.h("b", {}, this.object(c)),
            `, ${lane}`,
            Whyway.h("small", {}, `${will}${meets} · relevance ${relevance} %`),
          );
        }),
      ),
    );
  }

  number(value, per, digits, unit, before = "") {
    return value === null || value === undefined ? "" : `${before}${(value / per).toFixed(digits)}${unit}`;
  }

  fields({ aims, sees }) {
    const [speed, acceleration, stop, confidence] = aims;
    const [road, limit, curvature, junction, line, light, lightAt, command, commandAt] = sees;
    const rows = [
      ["target speed", this.number(speed, 100 / 3.6, 0, " km/h")],
      ["target acceleration", this.number(acceleration, 100, 2, " m/s²")],
      ["stops within", this.number(stop, 100, 1, " m") || "no stop"],
      ["confidence", `${confidence} %`],
      ["road", this.name("RoadType", road)],
      ["limit", this.number(limit, 100 / 3.6, 0, " km/h")],
      ["curvature", this.number(curvature, 10000, 4, " 1/m")],
      ["junction", this.number(junction, 100, 0, " m") || "none ahead"],
      ["stop line", this.number(line, 100, 0, " m") || "none ahead"],
      [
        "traffic light",
        light ? this.name("LightColor", light) + this.number(lightAt, 100, 0, " m", " in ") : "none in view",
      ],
      ["route asks", this.name("NavCommand", command) + this.number(commandAt, 100, 0, " m", " in ")],
    ];
    return Whyway.h(
      "details",
      {
        class: "block",
        open: this.open,
        ontoggle: (event) => {
          this.open = event.target.open;
        },
      },
      Whyway.h("summary", {}, "All fields"),
      Whyway.h(
        "dl",
        { class: "fields" },
        rows.flatMap(([name, value]) => [Whyway.h("dt", {}, name), Whyway.h("dd", {}, value)]),
      ),
    );
  }
};
