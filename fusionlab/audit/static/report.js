// What every page can do: turn light and dark, sort tables, search lists, draw figures when seen.
"use strict";

document.getElementById("theme").addEventListener("click", () => window.turnTheme());

// -- tables ---------------------------------------------------------------------------------------

function sortBy(table, column, button) {
  const heads = table.tHead.rows[0].cells;
  const numeric = heads[column].classList.contains("n");
  const was = heads[column].getAttribute("aria-sort");
  const down = was ? was === "ascending" : numeric; // numbers begin with the largest
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = (row) => {
    const cell = row.cells[column];
    return numeric ? parseFloat(cell.dataset.key) : cell.textContent.trim();
  };
  const compare = numeric
    ? (a, b) => (a === b ? 0 : a - b)
    : new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;
  const rows = [...table.tBodies[0].rows].map((row) => [key(row), row]);
  rows.sort((a, b) => (down ? -1 : 1) * compare(a[0], b[0]));
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("th");
    if (head) sortBy(table, head.cellIndex);
  });
}

// -- search ---------------------------------------------------------------------------------------

for (const box of document.querySelectorAll("input[data-filters]")) {
  const list = document.getElementById(box.dataset.filters);
  const says = document.getElementById(`${box.dataset.filters}-says`);
  const items = [...list.querySelectorAll("[data-words]")];
  const filter = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const item of items) {
      const fits = words.every((word) => item.dataset.words.includes(word));
      item.hidden = !fits;
      shown += fits;
    }
    if (says) says.textContent = shown === items.length ? `${shown}` : `${shown} of ${items.length}`;
  };
  box.addEventListener("input", filter);
  if (box.value) filter();
}

addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest("input, textarea, select")) return;
  const box = document.querySelector("input[data-filters]");
  if (box) { event.preventDefault(); box.focus(); }
});

// -- figures --------------------------------------------------------------------------------------

function themed(layout) {
  const style = getComputedStyle(document.body);
  const ink = style.getPropertyValue("color");
  const grid = window.isDark() ? "#3a3f47" : "#dfdcd5";
  const made = structuredClone(layout);
  made.paper_bgcolor = made.plot_bgcolor = "rgba(0,0,0,0)";
  made.font = { ...made.font, color: ink, family: "system-ui, sans-serif" };
  for (const [name, axis] of Object.entries(made)) {
    if (/^[xy]axis/.test(name)) Object.assign(axis, { gridcolor: grid, linecolor: grid, zerolinecolor: grid });
  }
  for (const shape of made.shapes || []) if (shape.line && !shape.line.color) shape.line.color = ink;
  return made;
}

function recoloured(data) {
  // A trace without a colour of its own is drawn in ink; heat maps have their own scale.
  const ink = getComputedStyle(document.body).getPropertyValue("color");
  return data.map((trace) => {
    const made = structuredClone(trace);
    if (made.meta === "ink") {
      if (made.marker) made.marker.color = ink;
      if (made.line) made.line.color = ink;
    }
    return made;
  });
}

const OPTIONS = { displaylogo: false, responsive: true, displayModeBar: false };

function draw(place) {
  const figure = JSON.parse(place.querySelector("script").textContent);
  const target = place.querySelector(".plot");
  target.textContent = "";
  window.Plotly.newPlot(target, recoloured(figure.data), themed(figure.layout), OPTIONS);
  place.dataset.drawn = "yes";
}

const figures = [...document.querySelectorAll(".figure")];
if (figures.length && window.Plotly) {
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && !entry.target.dataset.drawn) draw(entry.target);
    }
  }, { rootMargin: "200px" });
  figures.forEach((place) => seen.observe(place));
  const again = () => figures.filter((place) => place.dataset.drawn).forEach(draw);
  addEventListener("theme", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  addEventListener("beforeprint", () => figures.filter((p) => !p.dataset.drawn).forEach(draw));
}
