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
    hidden: new Set(), windows: {}, spread: null, a: "target", b: "0", curtain: 0.5,
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

  // What was worked out for the slice that is shown, kept until another one is.
  let kept = new Map(), keptOf = "";

  function once(key, make) {
    const now = `${loaded.get("key")}/${state.plane}/${state.slice}`;
    if (now !== keptOf) [kept, keptOf] = [new Map(), now];
    if (!kept.has(key)) kept.set(key, make());
    return kept.get(key);
  }

  // The slice of a loaded volume as rows and columns of the picture.
  const cut = (key) => once(key, () => read(loaded.get(key), state.slice));

  // Reads one slice of a volume (Z, H, W) as rows and columns of the picture.
  function read(volume, slice) {
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

  // The source's channels: "source", "source-1", ...; whatever is not one of them has the target's unit and window.
  const inputs = () => gallery().sources.map((_, at) => (at ? `source-${at}` : "source"));
  const isInput = (key) => String(key).startsWith("source");
  const isModel = (key) => key !== "target" && !isInput(key);
  const sideOf = (key) => (isInput(key) ? gallery().sources[Number(key.split("-")[1] || 0)] : gallery().target);
  // Of which window an image is part: a channel in the target's unit and window is shown at the target's.
  const windowed = (key) => {
    const side = sideOf(key), { target } = gallery();
    return isInput(key) && !(side.unit === target.unit && side.low === target.low && side.high === target.high) ? key : "target";
  };
  const levelsOf = () => 255 * current().finer;
  const valueOf = (level, side) => side.low + (level / levelsOf()) * (side.high - side.low);
  const windowOf = (key) => {
    const side = sideOf(key);
    return state.windows[windowed(key)] || { width: side.high - side.low, level: (side.high + side.low) / 2 };
  };

  const spread = () => state.spread ?? (gallery().target.high - gallery().target.low) / 5;

  // --- loading -----------------------------------------------------------------------------------------------

  async function load() {
    const { shape, finer, there } = current();
    const prefix = `image-${gallery().number}-${state.case}`;
    const key = `${state.task}/${state.case}`;
    if (loaded.get("key") === key) return;
    const ticket = ++pending;
    const names = [...inputs(), "target", ...there.map((is, at) => (is ? String(at) : null)).filter((name) => name !== null)];
    const images = await Promise.all(names.map((name) => report.image(`${prefix}-${name}`, shape, finer)));
    const region = await report.region(`${prefix}-mask`, shape);
    if (ticket !== pending) return;
    loaded.clear();
    loaded.set("key", key).set("region", region);
    names.forEach((name, at) => loaded.set(name, images[at]));
  }

  const nameOf = (key) => {
    if (isInput(key)) return `source: ${sideOf(key).modality}`;
    if (key === "target") return `target: ${gallery().target.modality}`;
    return gallery().models[Number(key)].name;
  };
  const known = () => [...inputs(), "target", ...gallery().models.keys()].map(String);
  const keys = () => known().filter((key) => loaded.has(key));
  const shownKeys = () => (state.mode === "curtain" ? ["curtain"] : keys().filter((key) => !state.hidden.has(nameOf(key))));

  // --- what changes the state ----------------------------------------------------------------------------------

  function clampView() {
    const margin = 0.5 / state.zoom;
    state.x = Math.min(1 - margin, Math.max(margin, state.x));
    state.y = Math.min(1 - margin, Math.max(margin, state.y));
  }

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
    Object.assign(state, { zoom: 1, x: 0.5, y: 0.5, windows: {}, spread: null });
    clampView();
    refresh();
  }

  function setWindow(key, width, level) {
    state.windows[windowed(key)] = width > 0 && Number.isFinite(width + level) ? { width, level } : null;
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

  const windowKeys = () => [["target", "window"], ...inputs().map((name) => [name, `${name}Window`])];

  function link() {
    const asked = Object.fromEntries(windowKeys().map(([name, key]) => {
      const window = state.windows[name];
      return [key, window ? `${number(window.width)},${number(window.level)}` : null];
    }));
    const parts = {
      task: gallery().task, table: gallery().number, patient: current().patient, study: current().study, view: plane().name, slice: state.slice,
      mode: state.mode, zoom: state.zoom === 1 ? null : number(state.zoom), x: state.zoom === 1 ? null : number(state.x), y: state.zoom === 1 ? null : number(state.y),
      ...asked, spread: state.spread, smooth: state.smooth ? 1 : null, outline: state.outline ? 1 : null,
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
    for (const [name, key] of windowKeys()) {
      const [width, level] = (query.get(key) || "").split(",").map(Number);
      state.windows[name] = width > 0 && Number.isFinite(level) ? { width, level } : null;
    }
    state.spread = query.has("spread") ? finite("spread", 1e-9, 1e9, null) : null;
    [state.smooth, state.outline] = [query.get("smooth") === "1", query.get("outline") === "1"];
    for (const end of ["a", "b"]) if (known().includes(query.get(end))) state[end] = query.get(end);
    state.hidden = new Set((query.get("hide") || "").split("\n").filter(Boolean));
    return true;
  }

  // Panels and controls add what they do: draw and sync.
  function refresh() {
    report.viewer.sync?.();
    report.viewer.draw();
    remember();
  }

  report.viewer = {
    state, galleries, gallery, current, planes, plane, extent, once, cut, levelsOf, valueOf, inputs, isModel, known, sideOf, windowed, windowOf, spread, number, withUnit,
    nameOf, keys, shownKeys, loaded, ordered, choose, neighbour, step, zoomBy, reset, setWindow, clampView, refresh, link, restore, remember,
    home, MODES, PRESETS, OPPOSITE,
  };
})();
