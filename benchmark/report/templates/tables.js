"use strict";
// Tables that sort, filter, hide columns and copy as CSV. Without this script they are plain tables.
(() => {
  const report = (window.report = window.report || {});

  report.announce = (text) => {
    document.getElementById("announce").textContent = text;
  };

  report.element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value === true) made.setAttribute(key, "");
      else if (value !== false && value != null) made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };

  report.copy = async (text, done) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = report.element("textarea", { class: "hidden" });
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    report.copied = text;
    report.announce(done);
  };

  const text = (cell) => cell.textContent.replace(/\s+/g, " ").trim();

  // What a spreadsheet would take for a formula is preceded by an apostrophe.
  const field = (value) => {
    const plain = /^[=+\-@\t\r]/.test(value) && !/^[+-]?[\d.]/.test(value) ? `'${value}` : value;
    return /[",\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
  };

  const compare = (a, b) => {
    if (a.empty !== b.empty) return a.empty ? 1 : -1;
    if (a.number !== null && b.number !== null) return a.number - b.number;
    return a.text.localeCompare(b.text, undefined, { numeric: true });
  };

  const keyOf = (cell) => {
    const stored = cell.dataset.v;
    const shown = text(cell);
    const number = stored !== undefined && stored !== "" ? Number(stored) : null;
    return { number, text: shown, empty: stored === "" || shown === "–" || shown === "" };
  };

  function sort(table, column, header) {
    const ascending = header.getAttribute("aria-sort") !== "ascending";
    const rows = [...table.tBodies[0].rows].map((row) => ({ row, key: keyOf(row.cells[column]) }));
    const sign = ascending ? 1 : -1;
    rows.sort((a, b) => (a.key.empty || b.key.empty ? compare(a.key, b.key) : sign * compare(a.key, b.key)));
    table.tBodies[0].append(...rows.map((each) => each.row));
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    report.announce(`sorted by ${text(header)}, ${ascending ? "ascending" : "descending"}`);
  }

  function csv(table) {
    const lines = [];
    for (const row of [...table.tHead.rows, ...table.tBodies[0].rows]) {
      if (row.hidden) continue;
      lines.push([...row.cells].filter((cell) => !cell.hidden).map((cell) => field(text(cell))).join(","));
    }
    return `${lines.join("\n")}\n`;
  }

  function enhance(sheet) {
    const table = sheet.querySelector("table");
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => {
      const button = report.element("button", { type: "button", onclick: () => sort(table, column, header) });
      button.append(...header.childNodes);
      header.append(button);
      header.setAttribute("aria-sort", "none");
    });
    const rows = () => [...table.tBodies[0].rows];
    const shown = report.element("span", { class: "shown", "aria-live": "polite" });
    const filter = report.element("input", {
      type: "search", placeholder: "Filter rows", "aria-label": `Filter rows of ${sheet.dataset.sheet}`,
      oninput: () => {
        const wanted = filter.value.toLowerCase();
        let count = 0;
        for (const row of rows()) {
          row.hidden = !text(row).toLowerCase().includes(wanted);
          count += row.hidden ? 0 : 1;
        }
        shown.textContent = wanted ? `${count} of ${rows().length} rows` : "";
      },
    });
    const choices = headers.map((header, column) => {
      const box = report.element("input", { type: "checkbox", checked: true, onchange: () => {
        for (const row of [table.tHead.rows[0], ...rows()]) row.cells[column].hidden = !box.checked;
      } });
      return report.element("label", {}, box, ` ${text(header)}`);
    });
    sheet.prepend(report.element("div", { class: "tools" },
      filter,
      report.element("details", {}, report.element("summary", {}, "Columns"), report.element("div", {}, ...choices)),
      report.element("button", { type: "button", onclick: () => report.copy(csv(table), "copied as CSV") }, "Copy CSV"),
      shown));
  }

  for (const sheet of document.querySelectorAll("[data-sheet]")) enhance(sheet);
})();
