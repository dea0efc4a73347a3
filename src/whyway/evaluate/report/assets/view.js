// One drive, or two side by side under one clock: top view, sentence, trace, moments, plots; slider, play and keys.
"use strict";
globalThis.Whyway = globalThis.Whyway || {};

Whyway.View = class {
  // drives: data as view_data.py writes it; options: {at: seconds to open at, reason: what the table says of it}
  constructor(element, drives, options = {}) {
    Object.assign(this, { element, options, t: 0, playing: null });
    this.end = Math.max(...drives.map((d) => (d.frames.length - 1) * d.dt));
    this.step = Math.min(...drives.map((d) => d.dt));
    const ranges = {
      end: this.end,
      speed: Whyway.View.range(drives, (d) => [...d.series.v, ...d.series.limit].map((v) => ((v ?? 0) / 100) * 3.6), 0),
    };
    ranges.acceleration = Whyway.View.range(
      drives,
      (d) => [...d.series.a, ...d.series.decided, ...d.series.lat].map((v) => (v ?? 0) / 100),
      -1,
    );
    ranges.latency = Whyway.View.range(
      drives,
      (d) =>
        Object.values(d.series.latency)
          .flat()
          .map((v) => (v ?? 0) / 100),
      0,
    );
    element.replaceChildren();
    element.className = `view n${drives.length}`;
    this.parts = drives.map((data, i) => this.part(data, i, ranges));
    this.controls();
    this.listen();
    const first = drives[0];
    this.go(options.at ?? first.open_at * first.dt);
  }

  // low and high of some numbers of all drives, with a little air, so that two drives share a scale
  static range(drives, of, low) {
    let least = low,
      most = low + 2;
    for (const data of drives)
      for (const v of of(data)) {
        if (v < least) least = v;
        if (v > most) most = v;
      }
    const air = 0.06 * (most - least);
    return [least < 0 ? least - air : least, most + air];
  }

  part(data, i, ranges) {
    const { h } = Whyway,
      add = (kind, tag, attributes, ...children) => {
        const made = h(tag, { ...attributes, class: `${kind} of${i}` }, ...children);
        this.element.append(made);
        return made;
      };
    add("story", "header", {}, ...this.story(data));
    const canvas = h("canvas", { role: "img", "aria-label": `${data.name} from above` }),
      tip = h("div", { class: "tip", hidden: true });
    const clock = h("output", { class: "clock", "aria-live": "off" }),
      why = h("p", { class: "why" });
    add("stage", "div", {}, h("div", { class: "ground" }, canvas, tip, clock, this.zoom()), why, Whyway.View.key(data));
    const moments = add(
      "moments",
      "nav",
      { "aria-label": "remarkable moments" },
      data.moments.map(([at, text, kind]) =>
        h(
          "button",
          { type: "button", class: `moment ${kind}`, "data-at": at, onclick: () => this.go(at * data.dt, true) },
          h("time", {}, `${(at * data.dt).toFixed(1)} s`),
          " ",
          data.texts[text],
        ),
      ),
    );
    const panel = new Whyway.Panel(add("panel", "aside", { "aria-label": "the trace at this instant" }), data);
    const plots = new Whyway.Plots(add("plots", "section", { "aria-label": "plots over time" }), data, ranges, (t) =>
      this.go(t, true),
    );
    return { data, stage: new Whyway.Stage(canvas, tip, data), panel, plots, clock, why, moments, at: -1 };
  }

  // a suite may ask for more than the verdict does: where the drive itself passed, the table's reason is what went wrong
  story(data) {
    const { h } = Whyway,
      { reason } = this.options,
      passed = data.passed && !reason;
    const headline = data.passed && reason ? reason : data.story.headline;
    return [
      h(
        "p",
        { class: `verdict ${passed ? "good" : "bad"}` },
        data.driver ? `${data.driver}: ` : "",
        Whyway.View.capital(headline),
      ),
      data.open_loop
        ? h(
            "p",
            { class: "replayed" },
            h("b", {}, "Replayed: "),
            "the recorded driver drove; this is what ours would have done. Grey dashes: what was driven next; blue: our plan.",
          )
        : null,
      data.handover_s
        ? h(
            "p",
            { class: "replayed" },
            h("b", {}, "Taken over: "),
            `until ${data.handover_s.toFixed(1)} s the recorded driver drove, from then on ours in the simulator.`,
          )
        : null,
      h(
        "ul",
        {},
        data.story.lines.map((line) => h("li", {}, line)),
        !data.passed && reason ? h("li", {}, `In the table: ${reason}.`) : null,
      ),
    ].filter(Boolean);
  }

  static capital(text) {
    return text.slice(0, 1).toUpperCase() + text.slice(1);
  }

  zoom() {
    const by = (factor) => () => {
      for (const part of this.parts) part.stage.zoom = Math.min(4, Math.max(0.4, part.stage.zoom * factor));
      this.render(true);
    };
    const button = (text, label, factor) =>
      Whyway.h("button", { type: "button", "aria-label": label, title: label, onclick: by(factor) }, text);
    return Whyway.h("div", { class: "zoom" }, button("+", "closer", 1.3), button("−", "farther", 1 / 1.3));
  }

  static key(data) {
    const { h } = Whyway,
      i = (kind, text) => [h("i", { class: kind }), text];
    return h(
      "p",
      { class: "legend" },
      i("box ego", "ego"),
      i("line plan", "plan, a dot a second"),
      i("box cause", "cited as a cause"),
      i("box listed", "considered"),
      i("box other", "seen, not cited"),
      i("box unseen", "there, but not seen"),
      data.frames.some((f) => f.hit) ? i("box hit", "touched") : null,
      data.open_loop ? i("line future", "driven next") : null,
      h("small", { class: "keys" }, "space plays, ← → step"),
    );
  }

  controls() {
    const { h } = Whyway;
    this.play = h(
      "button",
      {
        type: "button",
        class: "play",
        "aria-label": "play",
        onclick: () => (this.playing === null ? this.start() : this.pause()),
      },
      "▶",
    );
    this.seek = h("input", {
      type: "range",
      min: 0,
      max: this.end,
      step: this.step,
      value: 0,
      "aria-label": "time",
      oninput: () => this.go(+this.seek.value, true),
    });
    this.clock = h("output", { class: "time", "aria-live": "off" });
    this.pace = h(
      "select",
      {
        "aria-label": "pace",
        onchange: () => {
          if (this.playing !== null) {
            this.pause();
            this.start();
          }
        },
      },
      [0.25, 0.5, 1, 2, 4].map((pace) => h("option", { value: pace, selected: pace === 1 }, `${pace}×`)),
    );
    this.element.append(h("div", { class: "controls" }, this.play, this.seek, this.clock, this.pace));
  }

  listen() {
    this.keys = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !this.element.isConnected) return;
      if (
        event.target.closest("input:not([type=range]), select, textarea, button, a, summary, th") &&
        event.key === " "
      )
        return;
      if (event.target.closest("input:not([type=range]), select, textarea")) return;
      const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (move) this.go(this.t + move * (event.shiftKey ? 1 : this.step), true);
      else if (event.key === " ") this.play.click();
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", this.keys);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.recolor = () => {
      for (const part of this.parts) {
        part.stage.recolor();
        part.plots.recolor();
      }
      this.render(true);
    };
    this.dark.addEventListener("change", this.recolor);
    this.resize = new ResizeObserver(() => this.render(true));
    this.resize.observe(this.element);
  }

  go(t, byHand = false) {
    if (byHand) this.pause();
    this.t = Math.max(0, Math.min(this.end, t));
    this.render();
  }

  render(anew = false) {
    this.seek.value = this.t;
    this.clock.textContent = `${this.t.toFixed(1)} s of ${this.end.toFixed(1)} s`;
    this.seek.setAttribute("aria-valuetext", `${this.t.toFixed(1)} seconds`);
    for (const part of this.parts) {
      const { data } = part,
        at = Math.max(0, Math.min(data.frames.length - 1, Math.round(this.t / data.dt)));
      if (at === part.at && !anew) continue;
      const frame = data.frames[at],
        [, , , v, a] = frame.ego;
      part.stage.show(at);
      part.clock.textContent = `${(at * data.dt).toFixed(1)} s · ${(v * 3.6).toFixed(0)} km/h · ${a >= 0 ? "+" : "−"}${Math.abs(a).toFixed(1)} m/s²`;
      if (at !== part.at) {
        part.why.textContent = frame.why === undefined ? "no trace at this instant" : data.texts[frame.why];
        part.panel.show(at);
        const moments = [...part.moments.children],
          passed = moments.filter((m) => +m.dataset.at <= at).pop();
        for (const moment of moments)
          moment.setAttribute("aria-current", String(moment === passed && at - +moment.dataset.at < 1 / data.dt));
      }
      part.plots.show(at);
      part.at = at;
    }
  }

  start() {
    if (this.t >= this.end - 1e-6) this.t = 0;
    const begun = performance.now(),
      from = this.t;
    this.play.textContent = "❚❚";
    this.play.setAttribute("aria-label", "pause");
    const tick = (now) => {
      this.go(from + (Math.max(0, now - begun) / 1000) * +this.pace.value);
      if (this.t >= this.end - 1e-6) this.pause();
      else this.playing = requestAnimationFrame(tick);
    };
    this.playing = requestAnimationFrame(tick);
  }

  pause() {
    if (this.playing !== null) cancelAnimationFrame(this.playing);
    this.playing = null;
    this.play.textContent = "▶";
    this.play.setAttribute("aria-label", "play");
  }

  destroy() {
    this.pause();
    document.removeEventListener("keydown", this.keys);
    this.dark.removeEventListener("change", this.recolor);
    this.resize.disconnect();
    for (const part of this.parts) part.plots.destroy();
    this.element.replaceChildren();
  }
};
