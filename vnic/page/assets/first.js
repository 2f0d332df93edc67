// Before anything is drawn: scripts run here, and these are the colours that the reader chose last time.
(() => {
  const root = document.documentElement;
  root.classList.remove("plain");
  try {
    const theme = localStorage.getItem("vnic-theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    // a file that the browser keeps nothing for
  }
})();
