"use strict";
// Light, dark or as the system has it.
(() => {
  const button = document.getElementById("theme");
  const themes = ["system", "light", "dark"];
  let theme = "system";

  function show(name) {
    theme = name;
    if (name === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    button.textContent = `Theme: ${name}`;
    try {
      localStorage.setItem("benchmark-report-theme", name);
    } catch {
      // private windows keep nothing
    }
    window.dispatchEvent(new Event("themechange"));
  }

  let kept = null;
  try {
    kept = localStorage.getItem("benchmark-report-theme");
  } catch {
    kept = null;
  }
  show(themes.includes(kept) ? kept : "system");
  button.hidden = false;
  button.addEventListener("click", () => show(themes[(themes.indexOf(theme) + 1) % themes.length]));
})();
