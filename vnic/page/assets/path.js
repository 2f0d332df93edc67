// The picture of the path: a stage that is pointed at, focused or tapped shows what it knows.
(() => {
  "use strict";
  const details = [...document.querySelectorAll(".stage-details")];
  if (!details.length) return;
  const stages = [...document.querySelectorAll(".stage")];
  let pinned = "";

  const show = (id) => {
    for (const d of details) d.hidden = d.dataset.stage !== id;
    for (const s of stages) {
      const chosen = s.dataset.stage === id;
      s.classList.toggle("chosen", chosen);
      if (chosen) s.setAttribute("aria-current", "true");
      else s.removeAttribute("aria-current");
    }
  };
  const pin = (id) => {
    pinned = id;
    show(id);
  };
  // a narrow page shows the details over the picture: another tap closes them
  const narrow = matchMedia("(max-width: 640px)");
  let before = "";
  const beside = (stage, step) => {
    const row = stages.filter((s) => s.ownerSVGElement === stage.ownerSVGElement);
    return row[row.indexOf(stage) + step];
  };

  const keys = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
  for (const s of stages) {
    s.addEventListener("pointerenter", (e) => e.pointerType === "mouse" && show(s.dataset.stage));
    s.addEventListener("pointerleave", (e) => e.pointerType === "mouse" && show(pinned));
    s.addEventListener("focus", () => pin(s.dataset.stage));
    s.addEventListener("pointerdown", () => {
      before = pinned;
    });
    s.addEventListener("click", (e) => {
      e.preventDefault();
      pin(narrow.matches && before === s.dataset.stage ? "" : s.dataset.stage);
      before = "";
    });
    s.addEventListener("keydown", (e) => {
      if (e.key === "Escape") pin("");
      const to = keys[e.key] && beside(s, keys[e.key]);
      if (!to) return;
      e.preventDefault();
      to.focus();
    });
  }
  const hash = location.hash.replace("#stage-", "");
  const losing = stages.find((s) => s.classList.contains("losing"));
  if (details.some((d) => d.dataset.stage === hash)) pin(hash);
  else pin(narrow.matches ? "" : (losing || stages[0]).dataset.stage);
})();
