// Line charts on a canvas: as many seconds as are kept, a line a name, and what each is now below it.

const KEPT = 180;
const FIRST = 60;
const COLOURS = 8;
const LEFT = 54;

export const number = (value) => {
  if (value >= 1e9) return (value / 1e9).toFixed(1) + "G";
  if (value >= 1e6) return (value / 1e6).toFixed(1) + "M";
  if (value >= 1e4) return (value / 1e3).toFixed(1) + "k";
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toString();
  return value.toFixed(1);
};

export const bytes = (value) => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) { value /= 1024; at += 1; }
  return (at === 0 ? Math.round(value) : short(value, 100)) + " " + units[at];
};

// With one digit behind the point below that, unless it says nothing.
const short = (value, below) => (value < below ? value.toFixed(1).replace(/\.0$/, "") : Math.round(value).toString());

export const time = (seconds) => {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds === 0) return "0 s";
  if (seconds < 1e-3) return Math.round(seconds * 1e6) + " µs";
  if (seconds < 1) return short(seconds * 1e3, 10) + " ms";
  if (seconds < 60) return short(seconds, 60) + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " m " + Math.floor(seconds % 60) + " s";
  if (seconds < 86400) return Math.floor(seconds / 3600) + " h " + Math.floor(seconds / 60 % 60) + " m";
  return Math.floor(seconds / 86400) + " d " + Math.floor(seconds / 3600 % 24) + " h";
};

// The next of 1, 2, 5, 10, 20 .. that is no less; for bytes, of their units.
const above = (value, base) => {
  if (!(value > 0)) return 1;
  if (base > 1 && value > base) return base * above(value / base, base);
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
};

export class Chart {
  constructor(id, { show = number, scale = "linear", least = 1, most = null, base = 1 } = {}) {
    Object.assign(this, { show, scale, least, most, base, lines: new Map(), length: 0 });
    const figure = document.getElementById(id);
    this.canvas = figure.appendChild(document.createElement("canvas"));
    this.legend = figure.appendChild(document.createElement("ul"));
    this.legend.className = "legend";
    this.caption = figure.querySelector("figcaption").textContent;
    this.canvas.setAttribute("role", "img");
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  // A second more: values by name. Where there is none the line has a gap.
  push(values) {
    for (const name of Object.keys(values)) {
      if (!this.lines.has(name)) this.lines.set(name, new Array(this.length).fill(null));
    }
    for (const [name, line] of this.lines) {
      line.push(values[name] ?? null);
      if (line.length > KEPT) line.shift();
    }
    this.length = Math.min(this.length + 1, KEPT);
    // A name of which nothing is left makes room for others.
    for (const [name, line] of this.lines) {
      if (!(name in values) && line.every((value) => !value)) this.lines.delete(name);
    }
    this.draw();
  }

  draw() {
    const { canvas } = this, ratio = window.devicePixelRatio || 1;
    const { width, height } = canvas.getBoundingClientRect();
    if (width === 0) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "11px system-ui, sans-serif";
    const { at, marks } = this.axis(height - 8);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const mark of marks) {
      const y = Math.round(4 + at(mark)) + 0.5;
      pen.strokeStyle = colour("--grid");
      pen.beginPath();
      pen.moveTo(LEFT, y);
      pen.lineTo(width, y);
      pen.stroke();
      pen.fillStyle = colour("--soft");
      pen.fillText(this.show(mark), LEFT - 6, Math.min(Math.max(y, 7), height - 7));
    }
    const step = (width - LEFT - 2) / (Math.max(this.length, FIRST) - 1);
    pen.lineWidth = 1.6;
    pen.lineJoin = "round";
    [...this.lines.values()].forEach((line, number) => {
      pen.strokeStyle = colour(`--c${number % COLOURS}`);
      pen.beginPath();
      let isDown = false;
      line.forEach((value, index) => {
        if (value === null) { isDown = false; return; }
        const x = width - 2 - (line.length - 1 - index) * step, y = 4 + at(value);
        if (isDown) pen.lineTo(x, y); else pen.moveTo(x, y);
        isDown = true;
      });
      pen.stroke();
    });
    this.tell();
  }

  // Where a value is, in pixels from the top, and what the axis says.
  axis(height) {
    const values = [...this.lines.values()].flat().filter((value) => value !== null);
    if (this.scale === "log") {
      const positive = values.filter((value) => value > 0);
      const low = Math.floor(Math.log10(Math.min(...positive, 1e-4))), high = Math.ceil(Math.log10(Math.max(...positive, 1e-2)));
      const at = (value) => height * (1 - (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low));
      const marks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
      return { at, marks: marks.length > 5 ? marks.filter((_, index) => index % 2 === 0) : marks };
    }
    const top = this.most ?? above(Math.max(...values, this.least), this.base);
    return { at: (value) => height * (1 - Math.min(value, top) / top), marks: [0, top / 2, top] };
  }

  tell() {
    const items = [...this.lines].map(([name, line], index) => {
      const item = document.createElement("li"), key = document.createElement("i");
      key.className = `k${index % COLOURS}`;
      const now = line[line.length - 1];
      item.append(key, `${name} ${now === null ? "–" : this.show(now)}`);
      return item;
    });
    this.legend.replaceChildren(...items);
    this.canvas.setAttribute("aria-label", `${this.caption}: ${items.map((item) => item.textContent).join(", ")}`);
  }
}
