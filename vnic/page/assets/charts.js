// Time lines: charts by uPlot over the bins of the report. They share one part of the run, and one cursor.
(() => {
  "use strict";
  const line = JSON.parse(document.getElementById("data").textContent);
  if (!line || !document.getElementById("chart-rates")) return;
  const bins = line.bins;
  const seconds = line.bin_ns / 1e9;
  const begin = line.begin_ns / 1e9;
  const x = Array.from({ length: bins + 1 }, (_, i) => begin + i * seconds);
  const whole = [x[0], x[bins]];
  const charts = [];
  const colours = ["pass", "lost", "taken", "near", "violet", "sky", "soft", "ink"];
  const dashes = [[], [7, 4], [2, 3], [10, 3, 2, 3], [14, 5], [4, 2, 1, 2], [1, 2], [9, 2, 2, 2, 2, 2]];

  // a bin's value holds until the next bin begins, so the last one is there twice
  const held = (values, scale) => {
    const out = values.map((n) => n * scale);
    out.push(out[bins - 1]);
    return out;
  };
  const three = (n) => (n >= 999.5 ? Math.round(n) : Number(n.toPrecision(3)));
  const si = (n) => {
    for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) if (n >= 0.9995 * size) return `${three(n / size)} ${unit}`;
    return `${three(n)}`;
  };
  const time = (s) => {
    for (const [unit, size] of [["s", 1], ["ms", 1e-3], ["µs", 1e-6]]) if (Math.abs(s) >= 0.9995 * size) return `${three(s / size)} ${unit}`;
    return s ? `${three(s * 1e9)} ns` : "0";
  };
  const percent = (n) => `${three(n)} %`;

  const sets = {
    rates: [
      { name: "offered", values: held(line.offered, 1 / seconds), fill: true },
      { name: "delivered", values: held(line.delivered, 1 / seconds), colour: 2, dash: 1 },
    ],
    losses: line.lost.map((l, i) => ({ name: l.name, values: held(l.frames, 1 / seconds), colour: [1, 3, 4, 5, 0, 2, 6, 7, 6][i], dash: i, fill: i === 0 })),
    fill: line.fill
      .filter((f) => f.limit > 0)
      .map((f, i) => ({ name: f.name, values: held(f.most, 100 / f.limit), colour: i % 8, dash: i % 8 })),
    interrupts: [
      { name: "interrupts", values: held(line.interrupts, 1 / seconds) },
      { name: "polls", values: held(line.polls, 1 / seconds), colour: 3, dash: 1 },
    ],
  };

  const colour = (name) => {
    const own = { violet: "light-dark(#8f3f74, #d98fbd)", sky: "light-dark(#1d7fb0, #8fd0f5)" }[name];
    const probe = document.createElement("i");
    probe.style.color = own || `var(--${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };

  // ---- what all charts show ----

  let shown = whole;
  const output = document.getElementById("shown-time");
  const zoom = (from, to) => {
    const least = 4 * seconds;
    const length = Math.min(whole[1] - whole[0], Math.max(least, to - from));
    const first = Math.min(Math.max(whole[0], from), whole[1] - length);
    shown = [first, first + length];
    for (const c of charts) c.plot.setScale("x", { min: shown[0], max: shown[1] });
    output.textContent = `${time(shown[0])} to ${time(shown[1])}`;
  };
  const scale = (factor, at = (shown[0] + shown[1]) / 2) =>
    zoom(at - (at - shown[0]) * factor, at + (shown[1] - at) * factor);
  const move = (part) => {
    const by = (shown[1] - shown[0]) * part;
    zoom(shown[0] + by, shown[1] + by);
  };
  const acts = { in: () => scale(0.5), out: () => scale(2), back: () => move(-0.25), on: () => move(0.25), all: () => zoom(...whole) };
  for (const b of document.querySelectorAll("[data-zoom]")) b.addEventListener("click", acts[b.dataset.zoom]);
  const keys = { "+": "in", "=": "in", "-": "out", ArrowLeft: "back", ArrowRight: "on", 0: "all" };

  // ---- one chart ----

  const legend = (id, set, plot) => {
    const room = document.getElementById(`legend-${id}`);
    room.replaceChildren();
    set.forEach((s, i) => {
      const b = document.createElement("button");
      b.type = "button";
      b.setAttribute("aria-pressed", "true");
      const key = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      key.setAttribute("viewBox", "0 0 24 8");
      key.setAttribute("aria-hidden", "true");
      const stroke = document.createElementNS("http://www.w3.org/2000/svg", "line");
      for (const [k, v] of Object.entries({ x1: 0, x2: 24, y1: 4, y2: 4, "stroke-width": 2.5, "stroke-dasharray": dashes[s.dash || 0].join(" ") })) stroke.setAttribute(k, v);
      stroke.style.stroke = colour(colours[s.colour || 0]);
      key.append(stroke);
      const now = document.createElement("span");
      now.className = "now";
      b.append(key, s.name, now);
      b.addEventListener("click", () => {
        const on = b.getAttribute("aria-pressed") !== "true";
        b.setAttribute("aria-pressed", String(on));
        plot().setSeries(i + 1, { show: on });
      });
      room.append(b);
    });
    return [...room.querySelectorAll(".now")];
  };

  const make = (id, set) => {
    const home = document.getElementById(`chart-${id}`);
    const format = id === "fill" ? percent : si;
    const soft = colour("soft");
    const grid = { stroke: colour("line"), width: 1 };
    const chart = { id, set, home };
    const now = legend(id, set, () => chart.plot);
    const options = {
      width: Math.max(240, home.clientWidth),
      height: id === "fill" || id === "rates" ? 210 : 170,
      legend: { show: false },
      cursor: { sync: { key: "vnic" }, drag: { x: true, y: false, setScale: false }, y: false, points: { size: 7 } },
      scales: {
        x: { time: false, range: () => shown },
        y: { range: (_u, _min, max) => [0, id === "fill" ? Math.max(108, max * 1.05) : (max || 1) * 1.08] },
      },
      axes: [
        { stroke: soft, grid, ticks: grid, font: "12px system-ui, sans-serif", values: (_u, ticks) => ticks.map(time), space: home.clientWidth < 500 ? 54 : 80 },
        { stroke: soft, grid, ticks: grid, font: "12px system-ui, sans-serif", values: (_u, ticks) => ticks.map(format), size: 62, space: 34 },
      ],
      series: [
        {},
        ...set.map((s) => {
          const ink = colour(colours[s.colour || 0]);
          return {
            label: s.name,
            stroke: ink,
            width: 1.8,
            dash: dashes[s.dash || 0],
            fill: s.fill ? ink.replace("rgb(", "rgba(").replace(")", ", 0.13)") : undefined,
            paths: uPlot.paths.stepped({ align: 1 }),
            points: { show: false },
          };
        }),
      ],
      hooks: {
        setCursor: [
          (u) => set.forEach((s, i) => {
            now[i].textContent = u.cursor.idx === null || u.cursor.idx === undefined ? "" : format(s.values[u.cursor.idx]);
          }),
        ],
        setSelect: [
          (u) => {
            if (u.select.width < 6) return;
            zoom(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"));
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
        draw: id === "fill" ? [(u) => limit(u, soft)] : [],
      },
    };
    chart.plot = new uPlot(options, [x, ...set.map((s) => s.values)], home);
    chart.plot.over.addEventListener("dblclick", () => zoom(...whole));
    chart.plot.over.addEventListener("wheel", (e) => {
      if (!e.ctrlKey && !e.shiftKey) return;
      e.preventDefault();
      const at = chart.plot.posToVal(e.offsetX, "x");
      if (e.ctrlKey) scale(e.deltaY > 0 ? 1.25 : 0.8, at);
      else move(Math.sign(e.deltaY || e.deltaX) * 0.1);
    }, { passive: false });
    home.onkeydown = (e) => {
      if (e.ctrlKey || e.metaKey || e.altKey || !keys[e.key] || e.target !== home) return;
      e.preventDefault();
      acts[keys[e.key]]();
    };
    return chart;
  };

  // the line at 100 %
  const limit = (u, ink) => {
    const y = u.valToPos(100, "y", true);
    u.ctx.save();
    u.ctx.strokeStyle = ink;
    u.ctx.setLineDash([6, 6]);
    u.ctx.beginPath();
    u.ctx.moveTo(u.bbox.left, y);
    u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
    u.ctx.stroke();
    u.ctx.restore();
  };

  const draw = () => {
    for (const c of charts.splice(0)) c.plot.destroy();
    for (const [id, set] of Object.entries(sets)) {
      const figure = document.getElementById(`chart-${id}`).closest("figure");
      figure.hidden = !set.length;
      if (set.length) charts.push(make(id, set));
    }
    zoom(...shown);
  };
  draw();
  document.addEventListener("vnic-colours", draw);
  const fit = () => {
    for (const c of charts) c.plot.setSize({ width: Math.max(240, c.home.clientWidth), height: c.plot.height });
  };
  new ResizeObserver(fit).observe(document.getElementById("times"));
})();
