"use strict";
// Draws the plots: those on the screen first, the others when the browser has time, so that paper has them all.
(() => {
  const config = {
    background: "transparent",
    font: "system-ui, sans-serif",
    view: { stroke: null },
    axis: {
      labelColor: "var(--ink)", titleColor: "var(--muted)", gridColor: "var(--grid)", domainColor: "var(--line)",
      tickColor: "var(--line)", labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal",
    },
    legend: { labelColor: "var(--ink)", titleColor: "var(--muted)", labelFontSize: 11, symbolStrokeWidth: 2, labelLimit: 260 },
    header: { labelColor: "var(--ink)" },
    text: { color: "var(--ink)" },
  };
  const options = {
    renderer: "svg", mode: "vega-lite", config,
    ast: true, // expressions are interpreted, not compiled: the page's policy forbids eval
    actions: { export: { svg: true, png: true }, source: false, compiled: false, editor: false },
    downloadFileName: "benchmark-plot",
  };
  const waiting = new Set(document.querySelectorAll("[data-chart]"));
  const drawn = new Map();

  function draw(place) {
    if (!waiting.delete(place)) return drawn.get(place);
    const spec = JSON.parse(document.getElementById(`chart-${place.dataset.chart}`).textContent);
    spec.description = place.getAttribute("aria-label");
    const made = window.vegaEmbed(place, spec, options).then(() => {
      place.querySelector("summary")?.setAttribute("aria-label", `Save this plot: ${spec.description}`);
    }).catch((error) => {
      place.textContent = `This plot cannot be drawn: ${error.message}`;
      console.error(error);
    });
    drawn.set(place, made);
    return made;
  }

  const visible = (place) => place.offsetParent !== null;

  // A browser on a busy machine has no idle time: after PATIENCE_MS the next plot is drawn all the same.
  const PATIENCE_MS = 100;
  const whenIdle = (call) => (window.requestIdleCallback ? requestIdleCallback(call, { timeout: PATIENCE_MS }) : setTimeout(call, 30));

  async function drawRest() {
    const next = [...waiting].find(visible);
    if (next) {
      await draw(next);
      whenIdle(drawRest);
      return;
    }
    await Promise.all(drawn.values()); // those that came into sight meanwhile
    document.documentElement.dataset.plots = "drawn";
  }

  function start() {
    const watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) {
          watcher.unobserve(entry.target);
          draw(entry.target);
        }
      }
    }, { rootMargin: "200px" });
    for (const place of waiting) watcher.observe(place);
    // after the first paint; a window that nobody sees has none, and draws all the same
    setTimeout(() => whenIdle(drawRest), 50);
  }

  window.report.drawAll = () => Promise.all([...document.querySelectorAll("[data-chart]")].filter(visible).map(draw)).then((made) => made.length);
  window.addEventListener("load", start);
})();
