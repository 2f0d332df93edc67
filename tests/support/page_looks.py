"""Questions to a page in a browser: text without contrast, and parts that stand outside of the window."""

CONTRAST = """
(() => {
  const numbers = (c) => {
    const found = c.match(/[\\d.]+/g).map(Number);
    return c.startsWith("color(srgb") ? found.map((v, i) => (i < 3 ? 255 * v : v)) : found;
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (el) => {
    for (let e = el; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (/^(rgb|color.srgb)/.test(c) && (numbers(c)[3] ?? 1) === 1) return numbers(c);
    }
    return numbers(getComputedStyle(document.body).backgroundColor);
  };
  const bad = [];
  let looked = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    const el = node.parentElement;
    if (!node.textContent.trim() || el.closest("script, style, .unseen, .skip")) continue;
    const box = el.getBoundingClientRect();
    if (!box.width || !box.height) continue;
    const style = getComputedStyle(el);
    const ink = numbers(el instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(el))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    looked += 1;
    if (ratio < (size >= 24 ? 3 : 4.5)) {
      bad.push([node.textContent.trim().slice(0, 40), ratio.toFixed(2), el.className.baseVal ?? el.className]);
    }
  }
  return [looked, bad];
})()
"""
OUTSIDE = """
[...document.querySelectorAll("body *")].filter((el) => {
  if (el.closest(".scroller, .bar nav, pre, .skip, .unseen, .plot, svg svg")) return false;
  const box = el.getBoundingClientRect();
  return box.width && (box.right > innerWidth + 1 || box.left < -1);
}).map((el) => `${el.tagName} ${el.className.baseVal ?? el.className} ${el.textContent.slice(0, 30)}`)
"""
