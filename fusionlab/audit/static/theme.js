// Light or dark: as the system has it, or as the reader chose. Runs before anything is drawn.
"use strict";
(() => {
  const root = document.documentElement;
  let kept = null;
  try { kept = localStorage.getItem("fusionlab-theme"); } catch { /* storage may be forbidden */ }
  if (kept) root.dataset.theme = kept;
  window.isDark = () =>
    (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  window.turnTheme = () => {
    root.dataset.theme = window.isDark() ? "light" : "dark";
    try { localStorage.setItem("fusionlab-theme", root.dataset.theme); } catch { /* as above */ }
    window.dispatchEvent(new Event("theme"));
  };
})();
