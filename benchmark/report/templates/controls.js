"use strict";
// The viewer's controls: plain form elements, so that a keyboard and a screen reader have all of it.
(() => {
  const viewer = window.report.viewer;
  if (!viewer) return;
  const { element, copy } = window.report;
  const { state } = viewer;

  const labelled = (text, control) => element("label", {}, text, control);
  const select = (change) => element("select", { onchange: (event) => change(event.target.value) });
  // What a list offers seldom changes, and to write it anew costs more than all images.
  const offered = new WeakMap();
  const options = (control, entries, value) => {
    const now = JSON.stringify(entries);
    if (offered.get(control) !== now) {
      offered.set(control, now);
      control.replaceChildren(...entries.map(([key, text]) => element("option", { value: key }, text)));
    }
    if (control.value !== String(value)) control.value = String(value);
  };
  const button = (text, press, more = {}) => element("button", { type: "button", onclick: press, ...more }, text);
  const box = (text, change) => {
    const input = element("input", { type: "checkbox", onchange: () => change(input.checked) });
    return [input, element("label", { class: "check" }, input, text)];
  };

  const task = select((value) => {
    Object.assign(state, { slice: null, windows: {}, spread: null, by: "mean", a: "target", b: "0" });
    viewer.choose(Number(value), 0);
  });
  const order = select((value) => {
    state.order = value;
    if (value !== "stored") viewer.choose(state.task, viewer.ordered()[0].at);
    else viewer.refresh();
  });
  const by = select((value) => {
    state.by = value;
    viewer.refresh();
  });
  const patient = select((value) => viewer.choose(state.task, Number(value)));
  const plane = select((value) => {
    state.plane = Number(value);
    state.slice = Math.floor(viewer.extent().count / 2);
    viewer.refresh();
  });
  const mode = select((value) => {
    state.mode = value;
    viewer.clampView();
    viewer.refresh();
  });
  const slice = element("input", { type: "range", min: 0, step: 1, oninput: () => viewer.step(Number(slice.value) - state.slice) });
  const sliceText = element("output");
  const zoom = element("input", { type: "range", min: 0, max: 4, step: 0.05, oninput: () => viewer.zoomBy(2 ** Number(zoom.value) / state.zoom) });
  const [smooth, smoothLabel] = box("smooth", (on) => {
    state.smooth = on;
    viewer.refresh();
  });
  const [outline, outlineLabel] = box("region", (on) => {
    state.outline = on;
    viewer.refresh();
  });

  function windowControls(name) {
    const preset = select((value) => {
      const [width, level] = value.split(",").map(Number);
      if (value === "full") viewer.setWindow(name, NaN, NaN);
      else if (value !== "custom") viewer.setWindow(name, width, level);
    });
    const width = element("input", { type: "number", step: "any", min: 0, onchange: () => viewer.setWindow(name, Number(width.value), viewer.windowOf(name).level) });
    const level = element("input", { type: "number", step: "any", onchange: () => viewer.setWindow(name, viewer.windowOf(name).width, Number(level.value)) });
    const legend = element("legend", { class: "hidden" }), label = document.createTextNode("");
    const group = element("fieldset", {}, legend, element("label", {}, label, preset), labelled("width", width), labelled("level", level));
    const sync = () => {
      const own = name === "target" || viewer.inputs().includes(name);
      group.hidden = !own || viewer.windowed(name) !== name;
      if (group.hidden) return;
      const side = viewer.sideOf(name);
      const called = name === "target" || viewer.inputs().length === 1 ? name : side.modality;
      [legend.textContent, label.textContent] = [`Window of the ${called}`, `window, ${called}`];
      const presets = (viewer.PRESETS[side.unit] || []).map(([text, w, l]) => [`${w},${l}`, text]);
      const now = viewer.windowOf(name);
      const full = !state.windows[name];
      const match = presets.find(([value]) => value === `${now.width},${now.level}`);
      options(preset, [["full", `full (${viewer.number(side.low)} to ${viewer.number(side.high)} ${side.unit})`], ...presets, ["custom", "custom"]], full ? "full" : match ? match[0] : "custom");
      width.value = viewer.number(now.width);
      level.value = viewer.number(now.level);
    };
    return { group, sync };
  }
  const mostInputs = Math.max(...viewer.galleries.map((each) => each.sources.length));
  const windows = { target: windowControls("target") };
  for (let at = 0; at < mostInputs; at++) windows[at ? `source-${at}` : "source"] = windowControls(at ? `source-${at}` : "source");
  const spread = element("input", { type: "number", step: "any", min: 0, onchange: () => {
    state.spread = Number(spread.value) > 0 ? Number(spread.value) : null;
    viewer.refresh();
  } });
  const spreadLabel = labelled("difference up to ±", spread);
  const first = select((value) => {
    state.a = value;
    viewer.refresh();
  });
  const second = select((value) => {
    state.b = value;
    viewer.refresh();
  });
  const curtain = element("input", { type: "range", min: 0, max: 1, step: 0.01, oninput: () => {
    state.curtain = Number(curtain.value);
    viewer.refresh();
  } });
  const curtainGroup = element("fieldset", {}, element("legend", { class: "hidden" }, "Curtain"), labelled("left of the curtain", first), labelled("right of it", second), labelled("curtain", curtain));
  const models = element("div");
  const modelsBox = element("details", {}, element("summary", {}, "Images shown"), models);

  const controls = element("div", { class: "controls" },
    labelled("task", task), labelled("cases", order), labelled("judged by", by),
    element("fieldset", {}, element("legend", { class: "hidden" }, "Case"), labelled("case", patient),
      button("◀", () => viewer.neighbour(-1), { "aria-label": "previous case" }), button("▶", () => viewer.neighbour(1), { "aria-label": "next case" })),
    labelled("view", plane), element("label", {}, element("span", {}, "slice ", sliceText), slice),
    labelled("show", mode), spreadLabel, curtainGroup, ...Object.values(windows).map((each) => each.group),
    labelled("zoom", zoom), smoothLabel, outlineLabel,
    button("Reset", viewer.reset), button("Copy link to this view", () => copy(location.href.split("#")[0] + viewer.link(), "link copied")),
    modelsBox);
  const help = element("p", { class: "keys" }, "Wheel: slice. Ctrl and wheel: zoom. Drag: pan. Shift and drag: window. With the images in focus: ");
  for (const [key, what] of [["↑ ↓", "slice"], ["← →", "case"], ["+ −", "zoom"], ["W A S D", "pan"], ["M", "images, differences, curtain"], ["V", "view"], ["P", "window preset"], ["R", "reset"]]) {
    help.append(element("kbd", {}, key), ` ${what}  `);
  }
  viewer.grid.tabIndex = 0;
  viewer.home.append(controls, viewer.bar, viewer.grid, help);

  const cycle = (control) => {
    control.selectedIndex = (control.selectedIndex + 1) % control.options.length;
    if (control.value === "custom") control.selectedIndex = 0;
    control.dispatchEvent(new Event("change"));
  };
  const pan = (x, y) => {
    state.x += x / state.zoom;
    state.y += y / state.zoom;
    viewer.clampView();
    viewer.refresh();
  };
  const keys = {
    ArrowDown: () => viewer.step(1), ArrowUp: () => viewer.step(-1), ArrowLeft: () => viewer.neighbour(-1), ArrowRight: () => viewer.neighbour(1),
    "+": () => viewer.zoomBy(1.25), "=": () => viewer.zoomBy(1.25), "-": () => viewer.zoomBy(0.8), r: viewer.reset, m: () => cycle(mode), v: () => cycle(plane),
    p: () => cycle(windows.target.group.querySelector("select")), w: () => pan(0, -0.1), s: () => pan(0, 0.1), a: () => pan(-0.1, 0), d: () => pan(0.1, 0),
  };
  viewer.grid.addEventListener("keydown", (event) => {
    const act = keys[event.key] || keys[event.key.toLowerCase()];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });

  let listed = null, sortedAs = "", cases = [];
  viewer.sync = () => {
    const gallery = viewer.gallery(), shown = viewer.current(), metric = gallery.metrics[0];
    if (listed !== state.task) {
      listed = state.task;
      options(by, [["mean", "mean of models"], ...gallery.models.map((model, at) => [at, model.name])], state.by);
      models.replaceChildren(...viewer.known().map((key) => {
        const name = viewer.nameOf(key);
        const [input, label] = box(name, (on) => {
          if (on) state.hidden.delete(name);
          else state.hidden.add(name);
          viewer.refresh();
        });
        input.checked = !state.hidden.has(name);
        return label;
      }));
      const both = viewer.known().map((key) => [key, viewer.nameOf(key)]);
      options(first, both, state.a);
      options(second, both, state.b);
    }
    options(task, viewer.galleries.map((each, at) => [at, each.title ? `${each.task}: ${each.title}` : each.task]), state.task);
    options(order, [["stored", "by name"], ["worst", "worst first"], ["median", "median first"], ["best", "best first"], ["disputed", "largest disagreement first"]], state.order);
    const orderNow = `${state.task}/${state.order}/${state.by}`;
    if (sortedAs !== orderNow) {
      sortedAs = orderNow;
      cases = viewer.ordered().map(({ at, each, value }) => {
        const what = state.order === "disputed" ? `spread ${viewer.number(each.disagreement, 3)} ${gallery.target.unit}` : metric && value !== null ? `${metric.label} ${value.toFixed(metric.digits)}` : "";
        return [at, `${each.patient}${each.study === "s1" ? "" : ` / ${each.study}`}${what ? ` (${what})` : ""}`];
      });
    }
    options(patient, cases, state.case);
    options(plane, viewer.planes().map((each, at) => [at, each.name]), Math.min(state.plane, viewer.planes().length - 1));
    options(mode, Object.entries(viewer.MODES), state.mode);
    slice.max = viewer.extent().count - 1;
    slice.value = state.slice;
    sliceText.textContent = viewer.plane().along === 0 ? `${shown.slices[state.slice] + 1} of ${shown.of}` : `${state.slice + 1} of ${viewer.extent().count}`;
    slice.setAttribute("aria-valuetext", sliceText.textContent);
    zoom.value = Math.log2(state.zoom);
    [first.value, second.value, curtain.value] = [state.a, state.b, state.curtain];
    [smooth.checked, outline.checked] = [state.smooth, state.outline];
    spread.value = viewer.number(viewer.spread());
    spreadLabel.hidden = state.mode !== "difference";
    curtainGroup.hidden = state.mode !== "curtain";
    Object.values(windows).forEach((each) => each.sync());
  };

  async function start() {
    if (!viewer.restore()) state.slice = null;
    await viewer.choose(state.task, state.case);
  }
  window.addEventListener("hashchange", () => {
    if (location.hash.startsWith("#cases?")) start();
  });
  window.addEventListener("resize", viewer.draw);
  window.addEventListener("load", () => {
    if (location.hash.startsWith("#cases?")) {
      document.getElementById("cases").scrollIntoView();
      start();
      return;
    }
    new IntersectionObserver((entries, watcher) => {
      if (entries.some((entry) => entry.isIntersecting)) {
        watcher.disconnect();
        start();
      }
    }, { rootMargin: "600px" }).observe(viewer.home);
    setTimeout(() => {
      if (!viewer.loaded.has("key")) start();
    }, 1500);
  });
})();
