// Speed, acceleration, decisions and latency over time, with uPlot: linked by one cursor; a press on any of them goes there.
/* global uPlot */
"use strict";
globalThis.Whyway = globalThis.Whyway || {};

Whyway.Plots = class {
  static LEFT = 58; // room for the numbers at the left of every plot, so that times stand above one another

  // `ranges`: shared by drives side by side, {end, speed: [low, high], ...}; `go` is told of seconds
  constructor(element, data, ranges, go) {
    Object.assign(this, { element, data, ranges, go, plots: [] });
    const { series, dt } = data,
      n = data.frames.length;
    this.t = Array.from({ length: n }, (_, i) => i * dt);
    const scaled = (values, per) => values.map((v) => (v === null ? null : v / per));
    this.speed = scaled(series.v, 100 / 3.6);
    this.safety = data.safety.map(([from, to, text]) => ({
      from,
      to: Math.max(to, from + 0.1),
      color: () => Whyway.color("hit"),
      text: data.texts[text],
    }));
    const bands = data.decisions.map(([from, to, what]) => ({
      from,
      to,
      color: () => Whyway.names.colors.Longitudinal[what[0]],
      text: this.name(what, 0),
    }));
    const lateral = data.decisions.map(([from, to, what]) => ({
      from,
      to,
      color: () => Whyway.names.colors.Lateral[what[1]],
      text: this.name(what, 1),
    }));
    this.line(
      "speed",
      "km/h",
      120,
      [
        { label: "driven", values: this.speed, color: "text", width: 2 },
        { label: "limit", values: scaled(series.limit, 100 / 3.6), color: "other", dash: [5, 4] },
      ],
      { bands },
    );
    const merged = (blocks) =>
      blocks.reduce((kept, block) => {
        const last = kept[kept.length - 1];
        if (last && last.text === block.text && block.from - last.to < 1e-6) last.to = block.to;
        else kept.push({ ...block });
        return kept;
      }, []);
    this.rows("decisions", [
      ["safety", this.safety],
      ["speed", merged(bands)],
      ["path", merged(lateral)],
    ]);
    this.line(
      "acceleration",
      "m/s²",
      90,
      [
        { label: "along", values: scaled(series.a, 100), color: "text", width: 2 },
        { label: "decided", values: scaled(series.decided, 100), color: "cause" },
        { label: "across", values: scaled(series.lat, 100), color: "plan" },
      ],
      { bands, bounds: data.bounds },
    );
    const stages = Object.entries(series.latency),
      tints = ["ego", "cause", "green", "amber", "listed"];
    if (stages.length) {
      this.line(
        "latency",
        "ms",
        80,
        stages.map(([stage, values], i) => ({
          label: stage,
          values: scaled(values, 100),
          color: stage === "decision" ? "text" : tints[i % tints.length],
          width: stage === "decision" ? 2 : 1,
        })),
      );
    }
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(element);
  }

  name([longitudinal, lateral, direction], axis) {
    const side = direction ? ` ${Whyway.words(Whyway.names.Direction[direction])}` : "";
    return axis
      ? Whyway.words(Whyway.names.Lateral[lateral]) + side
      : Whyway.words(Whyway.names.Longitudinal[longitudinal]);
  }

  figure(title, unit) {
    const caption = Whyway.h("figcaption", {}),
      box = Whyway.h("div", { class: "chart" });
    this.element.append(
      Whyway.h("figure", { class: "plot", "data-plot": title, "aria-label": `${title} over time` }, caption, box),
    );
    caption.append(Whyway.h("b", {}, title), unit ? ` ${unit}` : "");
    return { caption, box };
  }

  options(height, last, more) {
    const soft = () => Whyway.color("listed"),
      grid = { stroke: () => Whyway.color("road"), width: 1 };
    return {
      width: Math.max(this.element.clientWidth, 280),
      height: height + (last ? 26 : 8),
      legend: { show: false },
      padding: [6, 8, last ? 0 : 6, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false }, sync: { key: "whyway" } },
      ...more,
      scales: { x: { time: false, range: [0, Math.max(this.ranges.end, 1e-3)] }, ...more.scales },
      axes: [
        {
          show: true,
          size: last ? 26 : 2,
          stroke: soft,
          grid,
          ticks: { ...grid, size: last ? 4 : 0 },
          font: "12px system-ui, sans-serif",
          values: (u, ticks) => ticks.map((t) => (last ? `${+t.toFixed(1)} s` : "")),
        },
        {
          size: Whyway.Plots.LEFT,
          stroke: soft,
          grid,
          ticks: { show: false },
          font: "12px system-ui, sans-serif",
          ...more.yAxis,
        },
      ],
    };
  }

  line(title, unit, height, lines, { bands = [], bounds = [] } = {}) {
    const { caption, box } = this.figure(title, unit),
      key = title;
    const values = lines.map((line) => {
      const shown = Whyway.h("output", { "aria-live": "off" });
      caption.append(
        Whyway.h(
          "span",
          { class: "key" },
          Whyway.h("i", { class: line.dash ? "dashed" : "", style: `color:var(--p-${line.color})` }),
          `${line.label} `,
          shown,
        ),
      );
      return shown;
    });
    const range = this.ranges[key],
      paint = { drawClear: [(u) => this.bands(u, bands)], draw: [(u) => this.bounds(u, bounds)] };
    const plot = new uPlot(
      this.options(
        height,
        title === "latency" || (title === "acceleration" && !Object.keys(this.data.series.latency).length),
        {
          scales: { y: { range: (u, low, high) => range || [low, high] } },
          series: [
            {},
            ...lines.map((line) => ({
              label: line.label,
              stroke: () => Whyway.color(line.color),
              width: line.width || 1.5,
              dash: line.dash,
              points: { show: false },
            })),
          ],
          hooks: paint,
        },
      ),
      [this.t, ...lines.map((line) => line.values)],
      box,
    );
    this.keep(plot, height, (i) =>
      lines.forEach((line, k) => {
        const v = line.values[i];
        values[k].textContent = v === null || v === undefined ? "–" : v.toFixed(Math.abs(v) < 10 ? 1 : 0);
      }),
    );
  }

  // stretches of time in rows, with their words in them where there is room
  rows(title, rows) {
    const { caption, box } = this.figure(title),
      shown = Whyway.h("output", { "aria-live": "off" });
    caption.append(" ", shown);
    const height = 26 * rows.length;
    const paint = (u) =>
      rows.forEach(([, blocks], row) =>
        blocks.forEach((block) => {
          const { ctx } = u,
            ratio = devicePixelRatio,
            x0 = u.valToPos(block.from, "x", true),
            x1 = Math.max(u.valToPos(block.to, "x", true), x0 + 2 * ratio);
          const y0 = u.valToPos(rows.length - row - 0.12, "y", true),
            y1 = u.valToPos(rows.length - row - 0.88, "y", true);
          ctx.fillStyle = block.color();
          ctx.fillRect(x0, y0, x1 - x0, y1 - y0);
          ctx.font = `600 ${12 * ratio}px system-ui, sans-serif`;
          if (ctx.measureText(block.text).width + 8 * ratio > x1 - x0) return;
          ctx.fillStyle = "#fff";
          ctx.textAlign = "left";
          ctx.textBaseline = "middle";
          ctx.fillText(block.text, x0 + 5 * ratio, (y0 + y1) / 2);
        }),
      );
    const plot = new uPlot(
      this.options(height, false, {
        scales: { y: { range: [0, rows.length] } },
        yAxis: {
          splits: () => rows.map((_, row) => rows.length - row - 0.5),
          values: () => rows.map(([name]) => name),
          grid: { show: false },
        },
        series: [{}, { show: false }],
        hooks: { draw: [paint] },
      }),
      [this.t, this.t.map(() => null)],
      box,
    );
    const at = (blocks, t) => blocks.find((b) => b.from - 1e-6 <= t && t <= b.to + 1e-6);
    this.keep(plot, height, (i) => {
      shown.textContent = rows
        .map(([name, blocks]) => {
          const found = at(blocks, this.t[i]);
          return found ? `${name}: ${found.text}` : "";
        })
        .filter(Boolean)
        .join(" · ");
    });
  }

  keep(plot, height, tell) {
    const mark = Whyway.h("div", { class: "now" });
    plot.over.append(mark);
    const go = (event) => this.go(plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x"));
    plot.over.addEventListener("pointerdown", (event) => {
      plot.over.setPointerCapture(event.pointerId);
      go(event);
    });
    plot.over.addEventListener("pointermove", (event) => {
      if (event.buttons) go(event);
    });
    this.plots.push({ plot, mark, tell, height: plot.height });
  }

  bands(u, bands) {
    u.ctx.save();
    u.ctx.globalAlpha = 0.16;
    for (const band of [...bands, ...this.safety]) {
      const x0 = u.valToPos(band.from, "x", true),
        x1 = u.valToPos(band.to, "x", true);
      u.ctx.fillStyle = band.color();
      u.ctx.fillRect(x0, u.bbox.top, Math.max(x1 - x0, 1), u.bbox.height);
    }
    u.ctx.restore();
  }

  bounds(u, bounds) {
    u.ctx.save();
    u.ctx.strokeStyle = Whyway.color("red");
    u.ctx.setLineDash([2 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const bound of bounds) {
      const y = u.valToPos(bound, "y", true);
      if (y < u.bbox.top || y > u.bbox.top + u.bbox.height) continue;
      u.ctx.beginPath();
      u.ctx.moveTo(u.bbox.left, y);
      u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
      u.ctx.stroke();
    }
    u.ctx.restore();
  }

  show(at) {
    for (const { plot, mark, tell } of this.plots) {
      mark.style.transform = `translateX(${plot.valToPos(this.t[at], "x")}px)`;
      tell(at);
    }
    this.at = at;
  }

  fit() {
    const width = Math.max(this.element.clientWidth, 280);
    for (const { plot, height } of this.plots) if (plot.width !== width) plot.setSize({ width, height });
    if (this.at !== undefined) this.show(this.at);
  }

  recolor() {
    for (const { plot } of this.plots) plot.redraw(false, true);
  }

  destroy() {
    this.resize.disconnect();
    for (const { plot } of this.plots) plot.destroy();
  }
};
