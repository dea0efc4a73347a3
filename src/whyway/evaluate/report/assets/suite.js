// The table of scenes: sorts, filters, and opens a scene, whose drive is loaded from its side file at that moment.
// A page opened as a file may not fetch() others, but it may load scripts: a side file is one that hands its data to `Whyway.loaded`.
"use strict";
globalThis.Whyway = globalThis.Whyway || {};

Whyway.Loader = class {
  static MOST = 6; // drives kept; older ones are loaded again when asked for

  constructor() {
    this.kept = new Map();
    Whyway.loaded = (data) => {
      document.currentScript.data = data;
    };
  }

  // the data of a side file, by its address relative to the page
  get(address) {
    if (!this.kept.has(address)) {
      this.kept.set(address, this.load(address));
      if (this.kept.size > Whyway.Loader.MOST) this.kept.delete(this.kept.keys().next().value);
    }
    return this.kept.get(address);
  }

  load(address) {
    return new Promise((give, fail) => {
      const script = document.createElement("script");
      const done = () => {
        script.remove();
        if (script.data?.format === Whyway.names.format) return give(script.data);
        this.kept.delete(address);
        const why = script.data ? "was written by another version" : "is not beside this page, or not whole";
        fail(
          new Error(`${decodeURI(address)} ${why}: whyway view, given this page's folder, makes it anew from the log`),
        );
      };
      script.onload = script.onerror = done;
      script.src = address;
      document.head.append(script);
    });
  }
};

Whyway.Suite = class {
  constructor(data) {
    const by = (id) => document.getElementById(id);
    Object.assign(this, { data, loader: new Whyway.Loader(), view: null, kind: "", beside: false, by });
    this.body = document.querySelector(".scenes tbody");
    this.heads = document.querySelector(".scenes thead tr");
    this.rows = [...this.body.rows];
    for (const row of this.rows)
      row.text = `${row.cells[0].textContent} ${row.cells[1].textContent} ${row.dataset.family}`.toLowerCase();
    this.listen();
    addEventListener("hashchange", () => this.route());
    this.route();
  }

  listen() {
    const { by } = this;
    for (const id of ["text", "failed", "family"]) by(id)?.addEventListener("input", () => this.filter());
    for (const chip of document.querySelectorAll(".chip")) chip.addEventListener("click", () => this.choose(chip));
    this.heads.addEventListener("click", (event) => {
      const head = event.target.closest("th");
      if (head) this.sort(head);
    });
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-view]");
      if (!row || event.ctrlKey || event.metaKey || event.shiftKey || getSelection().toString()) return;
      event.preventDefault();
      this.open(+row.dataset.row);
    });
    for (const name of this.data.metrics) by("more").append(Whyway.h("option", { value: name }, Whyway.words(name)));
    by("more").hidden = !this.data.metrics.length;
    by("more").addEventListener("change", () => {
      this.column(by("more").value);
      by("more").value = "";
    });
    by("close").addEventListener("click", () => {
      location.hash = "";
    });
    by("before").addEventListener("click", () => this.step(-1));
    by("next").addEventListener("click", () => this.step(1));
    by("beside").addEventListener("click", () => {
      this.beside = !this.beside;
      this.route();
    });
  }

  // ------------------------------------------------------------------------------------------------------ table

  filter() {
    const { by } = this,
      words = by("text").value.toLowerCase().split(/\s+/).filter(Boolean),
      family = by("family")?.value ?? "";
    let shown = 0;
    for (const row of this.rows) {
      const fits =
        words.every((word) => row.text.includes(word)) &&
        (!by("failed").checked || row.classList.contains("failed")) &&
        (!family || row.dataset.family === family) &&
        (!this.kind || row.dataset.kind === this.kind);
      row.hidden = !fits;
      shown += fits;
    }
    by("shown").textContent = `${shown} of ${this.rows.length}`;
  }

  choose(chip) {
    this.kind = this.kind === chip.dataset.kind ? "" : chip.dataset.kind;
    for (const other of document.querySelectorAll(".chip"))
      other.setAttribute("aria-pressed", String(other.dataset.kind === this.kind));
    this.filter();
  }

  sort(head) {
    const column = [...this.heads.cells].indexOf(head),
      down = head.getAttribute("aria-sort") === "ascending";
    const key = (row) => {
      const cell = row.cells[column],
        v = cell.dataset.v ?? cell.textContent;
      return v !== "" && !Number.isNaN(+v) ? +v : v;
    };
    const compare = (a, b) =>
      typeof a === "number" && typeof b === "number"
        ? a - b
        : String(a).localeCompare(String(b), "en", { numeric: true });
    // what has no value comes last, whichever way round
    const sorted = this.rows
      .map((row) => [key(row), row])
      .sort(([a], [b]) => (a === "") - (b === "") || (down ? -1 : 1) * compare(a, b));
    for (const other of this.heads.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    this.rows = sorted.map(([, row]) => row);
    this.body.append(...this.rows);
  }

  column(name) {
    const at = this.data.metrics.indexOf(name);
    if (at < 0) return;
    this.heads.append(
      Whyway.h(
        "th",
        { scope: "col", class: "n", title: name },
        Whyway.h("button", { type: "button" }, Whyway.words(name)),
      ),
    );
    for (const row of this.rows) {
      const value = this.data.values[+row.dataset.row][at],
        text = value === null ? "–" : typeof value === "number" ? String(+value.toPrecision(4)) : String(value);
      row.append(
        Whyway.h(
          "td",
          { class: "n", "data-v": value === null ? "" : typeof value === "boolean" ? +value : value },
          text,
        ),
      );
    }
    this.by("more")
      .querySelector(`option[value="${CSS.escape(name)}"]`)
      .remove();
  }

  // ------------------------------------------------------------------------------------------------------ a scene

  open(index) {
    location.hash = `#${encodeURIComponent(this.data.rows[index][0])}`;
  }

  step(by) {
    const shown = this.rows.filter((row) => !row.hidden && row.dataset.view),
      at = shown.findIndex((row) => +row.dataset.row === this.index);
    const to = shown[at + by] ?? shown[by > 0 ? 0 : shown.length - 1];
    if (to) this.open(+to.dataset.row);
  }

  // what the address asks for: a scene by its name, or the table
  async route() {
    const { by } = this,
      asked = decodeURIComponent(location.hash.slice(1)),
      index = this.data.rows.findIndex(([name]) => name === asked);
    this.index = index;
    for (const id of ["summary", "list"]) by(id).hidden = index >= 0;
    by("one").hidden = index < 0;
    document.body.classList.toggle("opened", index >= 0);
    this.close();
    if (index < 0) return;
    const [name, address, other, reason] = this.data.rows[index];
    by("one-name").textContent = name;
    by("own-page").href = address.replace(/[^/]+$/, "report.html");
    by("beside").hidden = !other;
    by("beside").textContent = this.beside ? `${this.data.driver} alone` : `side by side with ${this.data.baseline}`;
    by("beside").setAttribute("aria-pressed", String(this.beside));
    try {
      const drives = await Promise.all(
        (this.beside && other ? [address, other] : [address]).map((a) => this.loader.get(a)),
      );
      if (this.index !== index) return; // another was asked for meanwhile
      this.close();
      this.view = new Whyway.View(by("view"), drives, { reason: this.beside ? "" : reason });
      scrollTo(0, 0);
    } catch (error) {
      by("trouble").hidden = false;
      by("trouble").textContent = error.message;
    }
  }

  close() {
    this.view?.destroy();
    this.view = null;
    this.by("trouble").hidden = true;
  }
};
