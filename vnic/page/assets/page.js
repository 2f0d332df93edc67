// The switch for colours, the place in the bar, and what printing needs.
(() => {
  "use strict";
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const next = { auto: "light", light: "dark", dark: "auto" };
  const words = { auto: "Auto", light: "Light", dark: "Dark" };

  const theme = () => root.dataset.theme || "auto";
  const told = () => {
    button.querySelector(".theme-word").textContent = words[theme()];
    button.setAttribute("aria-label", `Colours: ${words[theme()]}. Change to ${words[next[theme()]]}.`);
    document.dispatchEvent(new CustomEvent("vnic-colours"));
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    const chosen = next[theme()];
    if (chosen === "auto") delete root.dataset.theme;
    else root.dataset.theme = chosen;
    try {
      localStorage.setItem("vnic-theme", chosen);
    } catch {
      // it holds for this view only
    }
    told();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", told);
  told();

  // which part of the report is on the screen
  const links = new Map([...document.querySelectorAll(".bar li a")].map((a) => [a.hash.slice(1), a]));
  const seen = new Set();
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const e of entries) seen[e.isIntersecting ? "add" : "delete"](e.target.id);
      const current = [...links.keys()].find((id) => seen.has(id));
      for (const [id, a] of links) {
        if (id === current) a.setAttribute("aria-current", "true");
        else a.removeAttribute("aria-current");
      }
    },
    { rootMargin: "-30% 0px -60% 0px" },
  );
  for (const id of links.keys()) watcher.observe(document.getElementById(id));

  // paper shows what the screen folds
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const d of folded) d.open = true;
  });
  addEventListener("afterprint", () => {
    for (const d of folded) d.open = false;
  });
})();
