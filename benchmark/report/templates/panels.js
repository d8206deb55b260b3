"use strict";
// The viewer's panels: a picture each, drawn once a frame, what stands beneath them, and what the pointer does there.
(() => {
  const report = window.report;
  const { viewer } = report;
  if (!viewer) return;
  const { element } = report;
  const {
    state, gallery, current, plane, extent, once, cut, levelsOf, valueOf, isModel, sideOf, windowOf, spread, number, withUnit, nameOf, shownKeys,
    loaded, step, zoomBy, reset, setWindow, clampView, refresh, remember, home, MODES, OPPOSITE,
  } = viewer;

  // --- colours ---------------------------------------------------------------------------------------------------

  // Tables of colours are made once for a window, not for every picture.
  const tables = new Map();
  function table(key, make) {
    if (!tables.has(key)) {
      if (tables.size >= 8) tables.clear();
      tables.set(key, make());
    }
    return tables.get(key);
  }

  function shades(key) {
    const { low, high } = sideOf(key), { width, level } = windowOf(key);
    return table(`${low}/${high}/${levelsOf()}/${width}/${level}`, () => makeShades(key));
  }

  function differenceColours(spread) {
    const { low, high } = gallery().target;
    return table(`${low}/${high}/${levelsOf()}/±${spread}`, () => makeDifferenceColours(spread));
  }

  // Colours of all levels at a window; at the full one, the shade of the stored value itself.
  function makeShades(key) {
    const side = sideOf(key);
    const { width, level } = windowOf(key);
    const top = levelsOf();
    const colours = new Uint32Array(top + 1);
    const full = Math.abs(width - (side.high - side.low)) < 1e-9 && Math.abs(level - (side.high + side.low) / 2) < 1e-9;
    for (let at = 0; at <= top; at++) {
      const share = full ? at / top : (valueOf(at, side) - (level - width / 2)) / width;
      colours[at] = (255 << 24) | (Math.floor(Math.min(1, Math.max(0, share)) * 255 + 0.5) * 0x010101);
    }
    return colours;
  }

  // Blue where the translation is too low, red where it is too high, black where it is right.
  function makeDifferenceColours(spread) {
    const top = levelsOf();
    const { low, high } = gallery().target;
    const colours = new Uint32Array(2 * top + 1);
    for (let at = -top; at <= top; at++) {
      const share = Math.max(-1, Math.min(1, ((at / top) * (high - low)) / spread));
      const strong = Math.abs(share);
      const warm = [255 * Math.min(1, 1.6 * strong), 235 * Math.max(0, strong - 0.35), 60 * Math.max(0, strong - 0.6)];
      const cold = [60 * Math.max(0, strong - 0.6), 200 * Math.max(0, strong - 0.25), 255 * Math.min(1, 1.6 * strong)];
      const [red, green, blue] = share >= 0 ? warm : cold;
      colours[at + top] = (255 << 24) | (Math.round(blue) << 16) | (Math.round(green) << 8) | Math.round(red);
    }
    return colours;
  }

  const faded = (colour) => ((255 << 24) | (((colour & 0xff0000) >> 2) & 0xff0000) | (((colour & 0xff00) >> 2) & 0xff00) | ((colour & 0xff) >> 2)) >>> 0;
  // --- drawing -----------------------------------------------------------------------------------------------

  const panels = new Map();
  const grid = element("div", { class: "panels", role: "group", "aria-label": "Images" });

  // One canvas of the slice's size serves all panels: a picture is painted before the next one is made.
  const slide = new OffscreenCanvas(1, 1), slideContext = slide.getContext("2d");
  let image = null;

  function picture(key) {
    const { rows, columns } = extent();
    if (!image || image.width !== columns || image.height !== rows) {
      Object.assign(slide, { width: columns, height: rows });
      image = new ImageData(columns, rows);
    }
    const pixels = new Uint32Array(image.data.buffer), levels = cut(key);
    if (state.mode === "difference" && isModel(key)) {
      const truth = cut("target"), inside = cut("region");
      const colours = differenceColours(spread()), top = levelsOf();
      for (let at = 0; at < pixels.length; at++) {
        const colour = colours[levels[at] - truth[at] + top];
        pixels[at] = inside[at] ? colour : faded(colour); // nothing is scored out there
      }
    } else {
      const colours = shades(key);
      for (let at = 0; at < pixels.length; at++) pixels[at] = colours[levels[at]];
    }
    slideContext.putImageData(image, 0, 0);
    return slide;
  }

  // The part of the picture that is seen: its corner and size in pixels of the image.
  function seen() {
    const { rows, columns } = extent();
    const width = columns / state.zoom, height = rows / state.zoom;
    return {
      left: Math.min(columns - width, Math.max(0, state.x * columns - width / 2)),
      top: Math.min(rows - height, Math.max(0, state.y * rows - height / 2)), width, height,
    };
  }

  function paint(context, source, clip) {
    const { width, height } = context.canvas;
    const part = seen();
    context.save();
    if (clip) {
      context.beginPath();
      context.rect(...clip);
      context.clip();
    }
    context.imageSmoothingEnabled = state.smooth;
    context.drawImage(source, part.left, part.top, part.width, part.height, 0, 0, width, height);
    context.restore();
  }

  // The edge of the region that is scored, between pixels.
  function paintOutline(context) {
    const { rows, columns } = extent(), part = seen();
    const inside = cut("region");
    const x = (column) => ((column - part.left) / part.width) * context.canvas.width;
    const y = (row) => ((row - part.top) / part.height) * context.canvas.height;
    const at = (row, column) => row >= 0 && column >= 0 && row < rows && column < columns && inside[row * columns + column];
    context.beginPath();
    for (let row = 0; row <= rows; row++) {
      for (let column = 0; column <= columns; column++) {
        if (Boolean(at(row, column)) !== Boolean(at(row - 1, column))) context.rect(x(column), y(row), x(column + 1) - x(column), 0);
        if (Boolean(at(row, column)) !== Boolean(at(row, column - 1))) context.rect(x(column), y(row), 0, y(row + 1) - y(row));
      }
    }
    context.strokeStyle = "#ffb43c";
    context.lineWidth = Math.max(1, context.canvas.width / 240);
    context.stroke();
  }

  // Averages over the region of the slice: what the viewer itself can say of a translation.
  function errors(key) {
    const inside = cut("region");
    const levels = cut(key), truth = cut("target");
    let count = 0, sum = 0, size = 0;
    for (let at = 0; at < levels.length; at++) {
      if (!inside[at]) continue;
      const off = levels[at] - truth[at];
      count++; sum += off; size += Math.abs(off);
    }
    const unit = (gallery().target.high - gallery().target.low) / levelsOf();
    return count ? { mean: (sum / count) * unit, absolute: (size / count) * unit } : null;
  }

  function caption(key) {
    const unit = gallery().target.unit;
    if (!isModel(key) || !loaded.has(key)) return "";
    const parts = [];
    if (plane().along === 0) {
      const metric = gallery().metrics[0];
      const value = metric && current().scores[0][Number(key)][state.slice];
      if (value !== null && value !== undefined) parts.push(`${metric.label} ${value.toFixed(metric.digits)}${metric.unit ? ` ${metric.unit}` : ""}`);
    }
    const found = once(`errors/${key}`, () => errors(key));
    if (found) parts.push(`MAE ${withUnit(Number(found.absolute.toPrecision(3)), unit)}, mean ${found.mean >= 0 ? "+" : "−"}${withUnit(Number(Math.abs(found.mean).toPrecision(3)), unit)}`);
    return parts.join("\n");
  }

  const nameOfPanel = (key) => (key === "curtain" ? MODES.curtain : nameOf(key));

  function build() {
    const wanted = shownKeys();
    const stale = wanted.join() !== [...panels.keys()].join() || grid.dataset.task !== String(state.task);
    grid.classList.toggle("curtain", state.mode === "curtain");
    if (!stale) return;
    grid.replaceChildren();
    panels.clear();
    grid.dataset.task = state.task;
    for (const key of wanted) {
      const canvas = element("canvas", { "data-panel": key, role: "img", "aria-label": nameOfPanel(key) });
      const title = element("figcaption"), readout = element("div", { class: "readout" });
      const sides = ["left", "right", "top", "bottom"].map((at) => {
        const where = { left: "left:3px;top:46%", right: "right:3px;top:46%", top: "left:48%;top:1px", bottom: "left:48%;bottom:1px" }[at];
        const mark = element("span", { class: "side", "aria-hidden": "true" });
        mark.style.cssText = where;
        mark.dataset.at = at;
        return mark;
      });
      grid.append(element("figure", {}, title, element("div", { class: "frame" }, canvas, ...sides), readout));
      panels.set(key, { canvas, context: canvas.getContext("2d"), title, readout, sides });
      watch(canvas, key);
    }
  }

  const say = (node, text) => {
    if (node.textContent !== text) node.textContent = text;
  };

  function titled(panel, ...names) {
    const text = names.join("\n");
    if (panel.named === text) return;
    panel.named = text;
    const parts = names.flatMap((name, at) => [...(at ? [" | "] : []), element("b", {}, element("bdi", {}, name))]);
    panel.title.replaceChildren(...parts);
    panel.title.title = text;
  }

  function drawNow() {
    if (loaded.get("key") !== `${state.task}/${state.case}`) return;
    build();
    const { aspect } = extent();
    const marks = plane().sides;
    const texts = { right: marks.right, left: OPPOSITE[marks.right], bottom: marks.bottom, top: OPPOSITE[marks.bottom] };
    // all sizes are asked for before anything changes, so that the page is laid out once
    const density = Math.min(2, devicePixelRatio || 1);
    const sizes = [...panels.values()].map(({ canvas }) => {
      const width = Math.max(64, Math.round((canvas.clientWidth || 180) * density));
      return [width, Math.max(16, Math.round(width * aspect))];
    });
    [...panels].forEach(([key, panel], place) => {
      const [width, height] = sizes[place];
      if (panel.canvas.width !== width || panel.canvas.height !== height) Object.assign(panel.canvas, { width, height });
      const context = panel.context;
      panel.canvas.style.touchAction = state.zoom > 1 || key === "curtain" ? "none" : "pan-y";
      if (key === "curtain") {
        const at = Math.round(width * state.curtain);
        for (const [name, clip] of [[state.a, [0, 0, at, height]], [state.b, [at, 0, width - at, height]]]) {
          if (loaded.has(name)) paint(context, picture(name), clip);
        }
        context.fillStyle = "#ffd75e";
        context.fillRect(at - 1, 0, 2, height);
        titled(panel, nameOf(state.a), nameOf(state.b));
        say(panel.readout, [state.a, state.b].map((name) => caption(name)).map((text) => text.replace("\n", " · ")).filter(Boolean).join("\n"));
      } else {
        paint(context, picture(key));
        titled(panel, nameOf(key));
        say(panel.readout, caption(key));
      }
      if (state.outline) paintOutline(context);
      for (const mark of panel.sides) say(mark, state.zoom > 1 ? "" : texts[mark.dataset.at] || "");
    });
    drawBar();
    describeSoon();
    home.dataset.drawn = `${state.task}/${state.case}/${state.plane}/${state.slice}/${state.mode}`;
  }

  // What a screen reader says of the images: when they stand still.
  let describing = 0;
  function describeSoon() {
    clearTimeout(describing);
    describing = setTimeout(() => {
      if (loaded.get("key") !== `${state.task}/${state.case}`) return; // another case is on its way
      for (const [key, { canvas, readout }] of panels) {
        const what = key === "curtain" ? `${nameOf(state.a)} beside ${nameOf(state.b)}` : nameOf(key);
        canvas.setAttribute("aria-label", `${what}, ${current().patient}, ${plane().name} slice ${state.slice + 1}. ${readout.textContent}`);
      }
    }, 150);
  }

  let queued = false;
  function draw() {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      queued = false;
      drawNow();
    });
  }

  // --- the colour bar ------------------------------------------------------------------------------------------

  const bar = element("div", { class: "scale-bar" }), strip = element("canvas", { width: 180, height: 1, "aria-hidden": "true" });
  const barLow = element("span"), barHigh = element("span");
  bar.append(barLow, strip, barHigh);

  let barOf = "";
  function drawBar() {
    const { width: wide, level: middle } = windowOf("target");
    const now = [state.task, state.mode, levelsOf(), state.mode === "difference" ? spread() : `${wide}/${middle}`].join();
    if (now === barOf) return;
    barOf = now;
    const unit = gallery().target.unit;
    const context = strip.getContext("2d"), row = context.createImageData(180, 1);
    const pixels = new Uint32Array(row.data.buffer);
    const top = levelsOf();
    if (state.mode === "difference") {
      const table = differenceColours(spread());
      const share = spread() / (gallery().target.high - gallery().target.low);
      for (let at = 0; at < 180; at++) pixels[at] = table[Math.round(top + Math.max(-1, Math.min(1, ((at / 179) * 2 - 1) * share)) * top)];
      barLow.textContent = `−${withUnit(spread(), unit)}`;
      barHigh.textContent = `+${withUnit(spread(), unit)}`;
    } else {
      const { width, level } = windowOf("target");
      for (let at = 0; at < 180; at++) pixels[at] = (255 << 24) | (Math.round((at / 179) * 255) * 0x010101);
      barLow.textContent = withUnit(level - width / 2, unit);
      barHigh.textContent = withUnit(level + width / 2, unit);
    }
    context.putImageData(row, 0, 0);
  }

  // --- pointer and wheel ---------------------------------------------------------------------------------------

  function place(canvas, event) {
    const box = canvas.getBoundingClientRect(), part = seen();
    return {
      column: Math.floor(part.left + ((event.clientX - box.left) / box.width) * part.width),
      row: Math.floor(part.top + ((event.clientY - box.top) / box.height) * part.height),
    };
  }

  // The values of all panels under the pointer, in the unit.
  function point(at) {
    const { rows, columns } = extent();
    if (at.row < 0 || at.column < 0 || at.row >= rows || at.column >= columns) return;
    for (const [key, panel] of panels) {
      const names = (key === "curtain" ? [state.a, state.b] : [key]).filter((name) => loaded.has(name));
      panel.readout.textContent = names.map((name) => {
        const side = sideOf(name), value = valueOf(cut(name)[at.row * columns + at.column], side);
        const truth = valueOf(cut("target")[at.row * columns + at.column], gallery().target);
        const off = !isModel(name) ? "" : ` (${value - truth >= 0 ? "+" : "−"}${number(Math.abs(value - truth), 3)})`;
        return `${withUnit(value, side.unit)}${off}`;
      }).join("\n");
    }
  }

  function watch(canvas, key) {
    let from = null;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) zoomBy(event.deltaY < 0 ? 1.25 : 0.8);
      else step(event.deltaY > 0 ? 1 : -1);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, y: event.clientY, at: { x: state.x, y: state.y }, window: windowOf(key) };
      if (event.pointerType === "mouse" || state.zoom > 1 || key === "curtain") canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!from) return point(place(canvas, event));
      const dx = (event.clientX - from.x) / canvas.clientWidth, dy = (event.clientY - from.y) / canvas.clientHeight;
      if (event.shiftKey) {
        const side = sideOf(key), range = side.high - side.low;
        setWindow(key, Math.max(range / 500, from.window.width + dx * range), from.window.level + dy * range);
      } else if (key === "curtain" && state.zoom === 1) {
        const box = canvas.getBoundingClientRect();
        state.curtain = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
        refresh();
      } else if (state.zoom > 1) {
        state.x = from.at.x - dx / state.zoom;
        state.y = from.at.y - dy / state.zoom;
        clampView();
        draw();
      }
    });
    const end = () => {
      if (from) remember();
      from = null;
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("pointerleave", () => {
      if (!from) draw();
    });
    canvas.addEventListener("dblclick", reset);
  }

  Object.assign(viewer, { draw, grid, bar });
})();
