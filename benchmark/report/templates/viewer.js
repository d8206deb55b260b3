"use strict";
// The case viewer: source, target and translations side by side, all at the same slice, zoom and window.
(() => {
  const report = window.report;
  const home = document.getElementById("viewer");
  if (!home) return;
  const galleries = [...document.querySelectorAll("script.gallery")].map((each) => JSON.parse(each.textContent));
  const { element } = report;
  const MODES = { image: "images", difference: "differences to the target", curtain: "curtain between two" };
  // Window width and level, as radiology names them.
  const PRESETS = {
    HU: [["bone", 1800, 400], ["soft tissue", 400, 40], ["lung", 1500, -600], ["brain", 80, 40]],
    SUV: [["PET 0 to 5", 5, 2.5], ["PET 0 to 10", 10, 5], ["PET 0 to 2.5", 2.5, 1.25]],
  };
  const PLANES = { S: "axial", I: "axial", A: "coronal", P: "coronal", L: "sagittal", R: "sagittal" };
  const OPPOSITE = { L: "R", R: "L", A: "P", P: "A", S: "I", I: "S" };
  const state = {
    task: 0, case: 0, plane: 0, slice: null, mode: "image", zoom: 1, x: 0.5, y: 0.5, smooth: false, outline: false,
    hidden: new Set(), windows: { source: null, target: null }, spread: null, a: "target", b: "0", curtain: 0.5,
    order: "stored", by: "mean",
  };
  const loaded = new Map(); // of the shown case only
  let pending = 0;

  const gallery = () => galleries[state.task];
  const current = () => gallery().cases[state.case];
  const number = (value, digits = 4) => (value === null || value === undefined ? "–" : String(Number(value.toPrecision(digits))));
  const withUnit = (value, unit) => `${number(value)}${unit ? ` ${unit}` : ""}`;

  // --- geometry: which axes of (z, y, x) are shown -------------------------------------------------------------

  // The planes of a volume, the stored one first: rows and columns of the picture and the axis that slices run along.
  function planes() {
    const [right, down, through] = gallery().view.length === 3 ? gallery().view : "LPS";
    const letters = [through, down, right];
    const upright = (axis) => "SL".includes(letters[axis]) && letters[axis] === "S";
    const make = (along, rows, columns) => ({
      name: PLANES[letters[along]], along, rows, columns,
      flipped: rows === 0 && upright(0), // slices that run to the head are stacked with the head on top
      sides: { right: letters[columns], bottom: rows === 0 && upright(0) ? OPPOSITE[letters[rows]] : letters[rows] },
    });
    const all = [make(0, 1, 2)];
    if (current().shape[0] > 1) all.push(make(1, 0, 2), make(2, 0, 1));
    return all;
  }

  const plane = () => planes()[Math.min(state.plane, planes().length - 1)];

  // Millimetres from one shown voxel to the next along an axis; slices that were left out widen the step.
  function pitch(axis) {
    const { spacing, slices } = current();
    if (axis || slices.length < 2) return spacing[axis];
    return (spacing[0] * (slices[slices.length - 1] - slices[0])) / (slices.length - 1);
  }

  function extent() {
    const shape = current().shape;
    const shown = plane();
    const rows = shape[shown.rows], columns = shape[shown.columns];
    return { rows, columns, count: shape[shown.along], aspect: (rows * pitch(shown.rows)) / (columns * pitch(shown.columns)) };
  }

  // Reads one slice of a volume (Z, H, W) as rows and columns of the picture.
  function cut(volume, slice) {
    const [, height, width] = current().shape;
    const strides = [height * width, width, 1];
    const shown = plane();
    const { rows, columns } = extent();
    const out = new volume.constructor(rows * columns);
    for (let row = 0, at = 0; row < rows; row++) {
      const r = shown.flipped ? rows - 1 - row : row;
      const base = slice * strides[shown.along] + r * strides[shown.rows];
      for (let column = 0; column < columns; column++, at++) out[at] = volume[base + column * strides[shown.columns]];
    }
    return out;
  }

  // --- values ------------------------------------------------------------------------------------------------

  const sideOf = (key) => (key === "source" ? gallery().source : gallery().target);
  const sameScale = () => {
    const { source, target } = gallery();
    return source.unit === target.unit && source.low === target.low && source.high === target.high;
  };
  const levelsOf = () => 255 * current().finer;
  const valueOf = (level, side) => side.low + (level / levelsOf()) * (side.high - side.low);
  const windowOf = (name) => {
    const which = sameScale() ? "target" : name;
    const side = gallery()[which];
    return state.windows[which] || { width: side.high - side.low, level: (side.high + side.low) / 2 };
  };

  // Shades of all levels at a window; at the full one, the shade of the stored value itself.
  function shades(name) {
    const side = gallery()[name];
    const { width, level } = windowOf(name);
    const top = levelsOf();
    const table = new Uint8ClampedArray(top + 1);
    const full = Math.abs(width - (side.high - side.low)) < 1e-9 && Math.abs(level - (side.high + side.low) / 2) < 1e-9;
    for (let at = 0; at <= top; at++) {
      const share = full ? at / top : (valueOf(at, side) - (level - width / 2)) / width;
      table[at] = Math.floor(Math.min(1, Math.max(0, share)) * 255 + 0.5);
    }
    return table;
  }

  // Blue where the translation is too low, red where it is too high, black where it is right.
  function differenceColours(spread) {
    const top = levelsOf();
    const { low, high } = gallery().target;
    const table = new Uint32Array(2 * top + 1);
    for (let at = -top; at <= top; at++) {
      const share = Math.max(-1, Math.min(1, ((at / top) * (high - low)) / spread));
      const strong = Math.abs(share);
      const warm = [255 * Math.min(1, 1.6 * strong), 235 * Math.max(0, strong - 0.35), 60 * Math.max(0, strong - 0.6)];
      const cold = [60 * Math.max(0, strong - 0.6), 200 * Math.max(0, strong - 0.25), 255 * Math.min(1, 1.6 * strong)];
      const [red, green, blue] = share >= 0 ? warm : cold;
      table[at + top] = (255 << 24) | (Math.round(blue) << 16) | (Math.round(green) << 8) | Math.round(red);
    }
    return table;
  }

  const faded = (colour) => ((255 << 24) | (((colour & 0xff0000) >> 2) & 0xff0000) | (((colour & 0xff00) >> 2) & 0xff00) | ((colour & 0xff) >> 2)) >>> 0;
  const spread = () => state.spread ?? (gallery().target.high - gallery().target.low) / 5;

  // --- loading -----------------------------------------------------------------------------------------------

  async function load() {
    const { shape, finer, there } = current();
    const prefix = `image-${gallery().number}-${state.case}`;
    const key = `${state.task}/${state.case}`;
    if (loaded.get("key") === key) return;
    const ticket = ++pending;
    const names = ["source", "target", ...there.map((is, at) => (is ? String(at) : null)).filter((name) => name !== null)];
    const images = await Promise.all(names.map((name) => report.image(`${prefix}-${name}`, shape, finer)));
    const region = await report.region(`${prefix}-mask`, shape);
    if (ticket !== pending) return;
    loaded.clear();
    loaded.set("key", key).set("region", region);
    names.forEach((name, at) => loaded.set(name, images[at]));
  }

  const nameOf = (key) => {
    if (key === "source") return `source: ${gallery().source.modality}`;
    if (key === "target") return `target: ${gallery().target.modality}`;
    return gallery().models[Number(key)].name;
  };
  const keys = () => ["source", "target", ...gallery().models.keys()].map(String).filter((key) => loaded.has(key));
  const shownKeys = () => (state.mode === "curtain" ? ["curtain"] : keys().filter((key) => !state.hidden.has(nameOf(key))));

  // --- drawing -----------------------------------------------------------------------------------------------

  const panels = new Map();
  const grid = element("div", { class: "panels", role: "group", "aria-label": "Images" });

  function picture(key) {
    const { rows, columns } = extent();
    const levels = cut(loaded.get(key), state.slice);
    const pixels = new Uint32Array(rows * columns);
    if (state.mode === "difference" && key !== "source" && key !== "target") {
      const truth = cut(loaded.get("target"), state.slice), inside = cut(loaded.get("region"), state.slice);
      const table = differenceColours(spread());
      const top = levelsOf();
      for (let at = 0; at < pixels.length; at++) {
        const colour = table[levels[at] - truth[at] + top];
        pixels[at] = inside[at] ? colour : faded(colour); // nothing is scored out there
      }
    } else {
      const table = shades(key === "source" ? "source" : "target");
      for (let at = 0; at < pixels.length; at++) pixels[at] = (255 << 24) | (table[levels[at]] * 0x010101);
    }
    const canvas = new OffscreenCanvas(columns, rows);
    canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), columns, rows), 0, 0);
    return canvas;
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
    const inside = cut(loaded.get("region"), state.slice);
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
    const inside = cut(loaded.get("region"), state.slice);
    const levels = cut(loaded.get(key), state.slice), truth = cut(loaded.get("target"), state.slice);
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
    if (key === "source" || key === "target") return "";
    const parts = [];
    if (plane().along === 0) {
      const metric = gallery().metrics[0];
      const value = metric && current().scores[0][Number(key)][state.slice];
      if (value !== null && value !== undefined) parts.push(`${metric.label} ${value.toFixed(metric.digits)}${metric.unit ? ` ${metric.unit}` : ""}`);
    }
    const found = errors(key);
    if (found) parts.push(`MAE ${withUnit(Number(found.absolute.toPrecision(3)), unit)}, mean ${found.mean >= 0 ? "+" : "−"}${withUnit(Number(Math.abs(found.mean).toPrecision(3)), unit)}`);
    return parts.join("\n");
  }

  function build() {
    const wanted = shownKeys();
    const stale = wanted.join() !== [...panels.keys()].join() || grid.dataset.task !== String(state.task);
    grid.classList.toggle("curtain", state.mode === "curtain");
    if (!stale) return;
    grid.replaceChildren();
    panels.clear();
    grid.dataset.task = state.task;
    for (const key of wanted) {
      const canvas = element("canvas", { "data-panel": key });
      const title = element("figcaption"), readout = element("div", { class: "readout" });
      const sides = ["left", "right", "top", "bottom"].map((at) => {
        const where = { left: "left:3px;top:46%", right: "right:3px;top:46%", top: "left:48%;top:1px", bottom: "left:48%;bottom:1px" }[at];
        const mark = element("span", { class: "side", "aria-hidden": "true" });
        mark.style.cssText = where;
        mark.dataset.at = at;
        return mark;
      });
      grid.append(element("figure", {}, title, element("div", { class: "frame" }, canvas, ...sides), readout));
      panels.set(key, { canvas, title, readout, sides });
      watch(canvas, key);
    }
  }

  function drawNow() {
    if (loaded.get("key") !== `${state.task}/${state.case}`) return;
    build();
    const { aspect } = extent();
    const marks = plane().sides;
    const texts = { right: marks.right, left: OPPOSITE[marks.right], bottom: marks.bottom, top: OPPOSITE[marks.bottom] };
    for (const [key, panel] of panels) {
      const width = Math.max(64, Math.round((panel.canvas.clientWidth || 180) * Math.min(2, devicePixelRatio || 1)));
      const height = Math.max(16, Math.round(width * aspect));
      if (panel.canvas.width !== width || panel.canvas.height !== height) Object.assign(panel.canvas, { width, height });
      const context = panel.canvas.getContext("2d");
      if (key === "curtain") {
        const at = Math.round(width * state.curtain);
        for (const [name, clip] of [[state.a, [0, 0, at, height]], [state.b, [at, 0, width - at, height]]]) {
          if (loaded.has(name)) paint(context, picture(name), clip);
        }
        context.fillStyle = "#ffd75e";
        context.fillRect(at - 1, 0, 2, height);
        panel.title.replaceChildren(element("b", {}, element("bdi", {}, nameOf(state.a))), " | ", element("b", {}, element("bdi", {}, nameOf(state.b))));
        panel.readout.textContent = [state.a, state.b].map((name) => caption(name)).map((text) => text.replace("\n", " · ")).filter(Boolean).join("\n");
      } else {
        paint(context, picture(key));
        panel.title.replaceChildren(element("b", {}, element("bdi", {}, nameOf(key))));
        panel.title.title = nameOf(key);
        panel.readout.textContent = caption(key);
      }
      if (state.outline) paintOutline(context);
      panel.canvas.setAttribute("role", "img");
      panel.canvas.setAttribute("aria-label", `${key === "curtain" ? `${nameOf(state.a)} beside ${nameOf(state.b)}` : nameOf(key)}, ${current().patient}, ${plane().name} slice ${state.slice + 1}. ${panel.readout.textContent}`);
      for (const mark of panel.sides) mark.textContent = state.zoom > 1 ? "" : texts[mark.dataset.at] || "";
    }
    drawBar();
    home.dataset.drawn = `${state.task}/${state.case}/${state.plane}/${state.slice}/${state.mode}`;
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

  function drawBar() {
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
  function read(at) {
    const { rows, columns } = extent();
    if (at.row < 0 || at.column < 0 || at.row >= rows || at.column >= columns) return;
    for (const [key, panel] of panels) {
      const names = key === "curtain" ? [state.a, state.b] : [key];
      panel.readout.textContent = names.map((name) => {
        const side = sideOf(name), value = valueOf(cut(loaded.get(name), state.slice)[at.row * columns + at.column], side);
        const truth = valueOf(cut(loaded.get("target"), state.slice)[at.row * columns + at.column], gallery().target);
        const off = name === "source" || name === "target" ? "" : ` (${value - truth >= 0 ? "+" : "−"}${number(Math.abs(value - truth), 3)})`;
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
      from = { x: event.clientX, y: event.clientY, at: { x: state.x, y: state.y }, window: windowOf(key === "source" ? "source" : "target") };
      if (event.pointerType === "mouse" || state.zoom > 1 || key === "curtain") canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!from) return read(place(canvas, event));
      const dx = (event.clientX - from.x) / canvas.clientWidth, dy = (event.clientY - from.y) / canvas.clientHeight;
      if (event.shiftKey) {
        const name = key === "source" && !sameScale() ? "source" : "target";
        const side = gallery()[name], range = side.high - side.low;
        setWindow(name, Math.max(range / 500, from.window.width + dx * range), from.window.level + dy * range);
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

  function clampView() {
    const margin = 0.5 / state.zoom;
    state.x = Math.min(1 - margin, Math.max(margin, state.x));
    state.y = Math.min(1 - margin, Math.max(margin, state.y));
    for (const panel of panels.values()) panel.canvas.style.touchAction = state.zoom > 1 || state.mode === "curtain" ? "none" : "pan-y";
  }

  // --- what changes the state ----------------------------------------------------------------------------------

  function step(by) {
    state.slice = Math.min(extent().count - 1, Math.max(0, state.slice + by));
    refresh();
  }

  function zoomBy(factor) {
    state.zoom = Math.min(16, Math.max(1, state.zoom * factor));
    if (Math.abs(state.zoom - 1) < 0.02) state.zoom = 1;
    clampView();
    refresh();
  }

  function reset() {
    Object.assign(state, { zoom: 1, x: 0.5, y: 0.5, windows: { source: null, target: null }, spread: null });
    clampView();
    refresh();
  }

  function setWindow(name, width, level) {
    state.windows[sameScale() ? "target" : name] = width > 0 && Number.isFinite(width + level) ? { width, level } : null;
    refresh();
  }

  async function choose(task, at) {
    state.task = task;
    state.case = Math.min(at, gallery().cases.length - 1);
    state.plane = Math.min(state.plane, planes().length - 1);
    const { count } = extent();
    state.slice = state.slice === null ? Math.floor(count / 2) : Math.min(state.slice, count - 1);
    await load();
    refresh();
  }

  const byPatient = (each) => {
    const values = (gallery().patients[each.patient] || []).filter((value) => value !== null);
    if (state.by !== "mean") return (gallery().patients[each.patient] || [])[Number(state.by)] ?? null;
    return values.length ? values.reduce((a, b) => a + b, 0) / values.length : null;
  };

  // Places of the cases in the order asked for; those without a value come last.
  function ordered() {
    const cases = gallery().cases.map((each, at) => ({ at, each, value: state.order === "disputed" ? each.disagreement : byPatient(each) }));
    const better = gallery().metrics[0]?.higher === false ? -1 : 1;
    const known = cases.filter((one) => one.value !== null), rest = cases.filter((one) => one.value === null);
    if (state.order === "stored") cases.sort((a, b) => `${a.each.patient}/${a.each.study}`.localeCompare(`${b.each.patient}/${b.each.study}`, undefined, { numeric: true }));
    else if (state.order === "worst") known.sort((a, b) => better * (a.value - b.value));
    else if (state.order === "best" || state.order === "disputed") known.sort((a, b) => (state.order === "best" ? better : 1) * (b.value - a.value));
    else if (known.length) {
      const middle = [...known].sort((a, b) => a.value - b.value)[Math.floor(known.length / 2)].value;
      known.sort((a, b) => Math.abs(a.value - middle) - Math.abs(b.value - middle));
    }
    return state.order === "stored" ? cases : [...known, ...rest];
  }

  function neighbour(by) {
    const list = ordered();
    const at = list.findIndex((one) => one.at === state.case);
    choose(state.task, list[(at + by + list.length) % list.length].at);
  }

  // --- a state as a link -----------------------------------------------------------------------------------------

  function link() {
    const { source, target } = state.windows;
    const parts = {
      task: gallery().task, table: gallery().number, patient: current().patient, study: current().study, view: plane().name, slice: state.slice,
      mode: state.mode, zoom: state.zoom === 1 ? null : number(state.zoom), x: state.zoom === 1 ? null : number(state.x), y: state.zoom === 1 ? null : number(state.y),
      window: target ? `${number(target.width)},${number(target.level)}` : null, sourceWindow: source ? `${number(source.width)},${number(source.level)}` : null,
      spread: state.spread, smooth: state.smooth ? 1 : null, outline: state.outline ? 1 : null,
      a: state.mode === "curtain" ? state.a : null, b: state.mode === "curtain" ? state.b : null, at: state.mode === "curtain" ? number(state.curtain) : null,
      hide: state.hidden.size ? [...state.hidden].join("\n") : null,
    };
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(parts)) if (value !== null && value !== undefined) query.set(key, value);
    return `#cases?${query}`;
  }

  let remembering = 0;
  function remember() {
    clearTimeout(remembering);
    remembering = setTimeout(() => history.replaceState(null, "", link()), 300);
  }

  function restore() {
    const [section, text] = [location.hash.slice(0, 7), location.hash.slice(7)];
    if (section !== "#cases?") return false;
    const query = new URLSearchParams(text);
    const finite = (key, low, high, otherwise) => {
      const value = Number.parseFloat(query.get(key));
      return Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : otherwise;
    };
    const task = galleries.findIndex((each) => String(each.number) === query.get("table") && each.task === query.get("task"));
    state.task = Math.max(0, task);
    state.case = Math.max(0, gallery().cases.findIndex((each) => each.patient === query.get("patient") && each.study === query.get("study")));
    state.plane = Math.max(0, planes().findIndex((each) => each.name === query.get("view")));
    state.slice = Math.round(finite("slice", 0, 1e6, Math.floor(extent().count / 2)));
    state.mode = query.get("mode") in MODES ? query.get("mode") : "image";
    state.zoom = finite("zoom", 1, 16, 1);
    [state.x, state.y, state.curtain] = [finite("x", 0, 1, 0.5), finite("y", 0, 1, 0.5), finite("at", 0, 1, 0.5)];
    for (const [name, key] of [["target", "window"], ["source", "sourceWindow"]]) {
      const [width, level] = (query.get(key) || "").split(",").map(Number);
      state.windows[name] = width > 0 && Number.isFinite(level) ? { width, level } : null;
    }
    state.spread = query.has("spread") ? finite("spread", 1e-9, 1e9, null) : null;
    [state.smooth, state.outline] = [query.get("smooth") === "1", query.get("outline") === "1"];
    const known = new Set(["source", "target", ...gallery().models.keys()].map(String));
    if (known.has(query.get("a"))) state.a = query.get("a");
    if (known.has(query.get("b"))) state.b = query.get("b");
    state.hidden = new Set((query.get("hide") || "").split("\n").filter(Boolean));
    return true;
  }

  report.viewer = { state, galleries, gallery, current, planes, plane, extent, choose, ordered, neighbour, step, zoomBy, reset, setWindow, windowOf, sameScale, spread, number, nameOf, keys, link, restore, remember, draw, clampView, grid, bar, home, MODES, PRESETS, loaded };
  function refresh() {
    report.viewer.sync?.();
    draw();
    remember();
  }
  report.viewer.refresh = refresh;
})();
