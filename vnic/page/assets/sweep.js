// A setting that is pointed at is marked in every picture and in the table, and told in words.
(() => {
  "use strict";
  const output = document.getElementById("pointed");
  if (!output) return;
  const all = [...document.querySelectorAll("[data-point]")];
  const rows = new Map(all.filter((e) => e.dataset.words).map((e) => [e.dataset.point, e]));
  const point = (number) => {
    for (const row of rows.values()) row.classList.toggle("pointed", row.dataset.point === number);
    for (const ring of document.querySelectorAll(".ring")) {
      const dot = ring.ownerSVGElement.querySelector(`[data-point="${number}"]`);
      ring.toggleAttribute("hidden", !dot);
      if (!dot) continue;
      ring.setAttribute("cx", dot.dataset.x);
      ring.setAttribute("cy", dot.dataset.y);
    }
    output.textContent = rows.get(number)?.dataset.words ?? "";
  };
  for (const e of all) {
    e.addEventListener("pointerenter", () => point(e.dataset.point));
    e.addEventListener("focus", () => point(e.dataset.point));
  }
  // one stop of Tab for each picture; the arrows go on, from left to right
  for (const picture of document.querySelectorAll(".scatter")) {
    const place = (a) => a.getBoundingClientRect().left;
    const dots = () => [...picture.querySelectorAll("a")].sort((a, b) => place(a) - place(b));
    picture.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
      const row = dots();
      const to = step && row[row.indexOf(document.activeElement) + step];
      if (!to) return;
      e.preventDefault();
      to.focus();
    });
  }
  if (rows.size) point(rows.keys().next().value);
})();
