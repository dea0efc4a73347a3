// One instant of a drive from above, on a canvas: lanes, lights, the ego and its plan, who is cited and who is not.
// Lengths are centimetres and angles milliradians, relative to the first pose, as player.py writes them.
"use strict";
globalThis.Whyway = globalThis.Whyway || {};
Whyway.color = (name) =>
  getComputedStyle(document.documentElement)
    .getPropertyValue("--p-" + name)
    .trim();
Whyway.words = (name) =>
  String(name || "")
    .toLowerCase()
    .replaceAll("_", " ");

Whyway.Stage = class {
  static BACK = 2600; // shown behind the ego and before it
  static AHEAD = 6400;
  static SMALL = 140; // who walks would be a speck: a disc of this diameter
  static COLORS = [
    "ground",
    "road",
    "route",
    "bike",
    "line",
    "text",
    "halo",
    "other",
    "listed",
    "cause",
    "ego",
    "plan",
    "driven",
    "hit",
    "red",
    "amber",
    "green",
  ];

  constructor(canvas, tip, data) {
    Object.assign(this, { canvas, tip, data, at: 0, zoom: 1, draw: canvas.getContext("2d") });
    const reversed = (line) => {
      const out = [];
      for (let i = line.length - 2; i >= 0; i -= 2) out.push(line[i], line[i + 1]);
      return out;
    };
    this.outlines = data.lanes.map((lane) => [...lane.left, ...reversed(lane.right)]);
    this.recolor();
    canvas.addEventListener("pointermove", (event) => this.point(event));
    canvas.addEventListener("pointerleave", () => {
      tip.hidden = true;
    });
  }

  recolor() {
    this.colors = Object.fromEntries(Whyway.Stage.COLORS.map((name) => [name, Whyway.color(name)]));
  }

  show(at) {
    this.at = at;
    const { draw, data } = this,
      frame = data.frames[at];
    this.aim(frame.ego);
    this.road(frame);
    this.ways(frame);
    const kinds = [this.colors.other, this.colors.listed, this.colors.cause, this.colors.other];
    for (const [, x, y, yaw, length, width, kind] of frame.objects)
      this.box(x, y, yaw / 1000, length, width, kinds[kind], kind === 3);
    const [x, y, yaw] = frame.ego,
      c = Math.cos(yaw / 1000),
      s = Math.sin(yaw / 1000);
    this.box(x + data.offset * c, y + data.offset * s, yaw / 1000, data.length, data.width, this.colors.ego, false);
    for (const hit of frame.hit || []) this.ring(hit);
    for (const [, x, y] of data.places) {
      draw.beginPath();
      draw.arc(x, y, 120, 0, 7);
      draw.strokeStyle = this.colors.hit;
      draw.lineWidth = 40;
      draw.stroke();
    }
    draw.setTransform(1, 0, 0, 1, 0, 0);
    this.labels(frame);
  }

  // the ego stands at a fixed place, its heading to the right; y of the map is up
  aim([x, y, yaw]) {
    const { canvas, draw } = this,
      ratio = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio),
      height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const { BACK, AHEAD } = Whyway.Stage;
    const scale = Math.max(width / (BACK + AHEAD), height / 6400) * this.zoom;
    const c = Math.cos(yaw / 1000),
      s = Math.sin(yaw / 1000);
    draw.setTransform(1, 0, 0, 1, 0, 0);
    draw.fillStyle = this.colors.ground;
    draw.fillRect(0, 0, width, height);
    const e = (width * BACK) / (BACK + AHEAD),
      f = height / 2;
    const m = new DOMMatrix([scale * c, scale * s, scale * s, -scale * c, 0, 0]);
    m.e = e - (m.a * x + m.c * y);
    m.f = f - (m.b * x + m.d * y);
    draw.setTransform(m);
    draw.lineJoin = draw.lineCap = "round";
    this.matrix = m;
  }

  stroke(line, color, width, dash = []) {
    const { draw } = this;
    draw.beginPath();
    draw.setLineDash(dash);
    draw.strokeStyle = color;
    draw.lineWidth = width;
    for (let i = 0; i < line.length; i += 2) draw.lineTo(line[i], line[i + 1]);
    draw.stroke();
    draw.setLineDash([]);
  }

  dots(line, color, radius, every) {
    const { draw } = this;
    draw.fillStyle = color;
    for (let i = 2 * every; i < line.length; i += 2 * every) {
      draw.beginPath();
      draw.arc(line[i], line[i + 1], radius, 0, 7);
      draw.fill();
    }
  }

  light(color) {
    return { 1: this.colors.red, 2: this.colors.amber, 3: this.colors.green }[color] || this.colors.other;
  }

  road(frame) {
    const { draw, data, colors } = this,
      lights = frame.lights || {};
    data.lanes.forEach((lane, i) => {
      const line = this.outlines[i];
      draw.beginPath();
      for (let k = 0; k < line.length; k += 2) draw.lineTo(line[k], line[k + 1]);
      draw.closePath();
      draw.fillStyle = colors[lane.kind];
      draw.fill();
    });
    for (const lane of data.lanes) {
      if (lane.junction) continue;
      if (lane.marks[0] !== 1) this.stroke(lane.left, colors.line, 14, lane.marks[0] === 2 ? [150, 220] : []);
      if (lane.marks[1] !== 1) this.stroke(lane.right, colors.line, 14, lane.marks[1] === 2 ? [150, 220] : []);
    }
    draw.lineCap = "butt";
    for (const crossing of data.crossings) this.stroke(crossing.line, colors.line, crossing.width, [50, 50]);
    for (const stop of data.stops)
      this.stroke(stop.line, stop.light in lights ? this.light(lights[stop.light]) : colors.line, 50);
    for (const [id, x, y] of data.lights) {
      draw.beginPath();
      draw.arc(x, y, 85, 0, 7);
      draw.fillStyle = this.light(lights[id]);
      draw.fill();
      if ((frame.because || []).includes(id)) {
        draw.beginPath();
        draw.arc(x, y, 165, 0, 7);
        draw.strokeStyle = colors.cause;
        draw.lineWidth = 30;
        draw.stroke();
      }
    }
    draw.lineCap = "round";
  }

  // what was driven, what a recorded driver went on to drive, what is planned, and what cited objects are expected to do
  ways(frame) {
    const { draw, data, colors, at } = this,
      path = (from, to) => data.frames.slice(Math.max(0, from), to).flatMap((f) => [f.ego[0], f.ego[1]]);
    this.stroke(path(at - Math.round(6 / data.dt), at + 1), colors.driven, 25);
    if (data.open_loop) {
      const second = Math.max(1, Math.round(1 / data.dt)),
        future = path(at, at + 8 * second + 1);
      this.stroke(future, colors.driven, 40, [90, 70]);
      this.dots(future, colors.driven, 40, second);
    }
    if (frame.plan) {
      draw.globalAlpha = 0.55;
      this.stroke(frame.plan, colors.plan, 90);
      draw.globalAlpha = 1;
      this.dots(frame.plan, colors.plan, 32, 2); // a dot a second tells the speed
    }
    for (const line of frame.guess || []) this.stroke(line, colors.cause, 26, [80, 60]);
  }

  box(x, y, yaw, length, width, color, dashed) {
    const { draw } = this,
      small = Whyway.Stage.SMALL;
    draw.save();
    draw.translate(x, y);
    draw.rotate(yaw);
    draw.fillStyle = draw.strokeStyle = color;
    draw.lineWidth = 16;
    if (length < small) {
      draw.beginPath();
      draw.arc(0, 0, small / 2, 0, 7);
      if (dashed) draw.stroke();
      else draw.fill();
    } else if (dashed) {
      draw.setLineDash([45, 35]);
      draw.strokeRect(-length / 2, -width / 2, length, width);
    } else {
      draw.fillRect(-length / 2, -width / 2, length, width);
      draw.globalAlpha = 0.5; // a lighter stripe where the windscreen is tells the front
      draw.fillStyle = this.colors.halo;
      draw.fillRect(length * 0.18, -width * 0.5, length * 0.13, width);
    }
    draw.restore();
  }

  // whom the ego touches, or is about to
  ring([, x, y, yaw, length, width]) {
    const { draw } = this;
    draw.save();
    draw.translate(x, y);
    draw.rotate(yaw / 1000);
    draw.strokeStyle = this.colors.hit;
    draw.lineWidth = 40;
    draw.strokeRect(-length / 2 - 45, -width / 2 - 45, length + 90, width + 90);
    draw.restore();
  }

  // labels are upright, so they are written in pixels
  labels(frame) {
    const { draw, matrix: m, canvas } = this,
      ratio = window.devicePixelRatio || 1,
      taken = [];
    draw.font = `600 ${13 * ratio}px system-ui, sans-serif`;
    draw.lineWidth = 4 * ratio;
    draw.strokeStyle = this.colors.halo;
    const write = (text, x, y, color) => {
      const width = draw.measureText(text).width;
      const px = Math.min(Math.max(m.a * x + m.c * y + m.e + 8 * ratio, 4), canvas.width - width - 4);
      let py = Math.min(Math.max(m.b * x + m.d * y + m.f - 14 * ratio, 16 * ratio), canvas.height - 8);
      while (taken.some(([a, b]) => Math.abs(a - px) < width && Math.abs(b - py) < 15 * ratio)) py -= 15 * ratio;
      taken.push([px, py]);
      draw.strokeText(text, px, py);
      draw.fillStyle = color;
      draw.fillText(text, px, py);
    };
    for (const [id, x, y, , , , kind, kindOf] of frame.objects)
      if (kind === 2) write(this.named(kindOf, id), x, y, this.colors.cause);
    const [ex, ey] = frame.ego,
      near = this.data.places.filter(([, x, y]) => Math.hypot(x - ex, y - ey) < Whyway.Stage.AHEAD);
    for (const [text, x, y] of [...(frame.hit || []), ...near]) write(this.data.texts[text], x, y, this.colors.hit);
  }

  named(kindOf, id) {
    return `${Whyway.words(Whyway.names.ObjectClass[kindOf])} ${id}`;
  }

  // what is under the pointer, in words
  point(event) {
    const ratio = window.devicePixelRatio || 1,
      frame = this.data.frames[this.at];
    const p = this.matrix.inverse().transformPoint(new DOMPoint(event.offsetX * ratio, event.offsetY * ratio));
    const under = frame.objects.find(([, x, y, yaw, length, width]) => {
      const c = Math.cos(yaw / 1000),
        s = Math.sin(yaw / 1000),
        dx = p.x - x,
        dy = p.y - y;
      return (
        Math.abs(dx * c + dy * s) < Math.max(length, 140) / 2 + 30 &&
        Math.abs(dy * c - dx * s) < Math.max(width, 140) / 2 + 30
      );
    });
    this.tip.hidden = !under;
    if (!under) return;
    const [id, , , , length, width, kind, kindOf, v] = under;
    const part = ["seen, not cited", "considered", "cited as a cause", "there, but not seen"][kind];
    this.tip.textContent = `${this.named(kindOf, id)}: ${part}, ${(v * 0.036).toFixed(0)} km/h, ${(length / 100).toFixed(1)} × ${(width / 100).toFixed(1)} m`;
    this.tip.style.left = `${Math.min(event.offsetX + 12, this.canvas.clientWidth - 180)}px`;
    this.tip.style.top = `${event.offsetY + 12}px`;
  }
};
