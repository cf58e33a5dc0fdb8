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

const SCALES = {
  wash: {
    light: [[0, "#f4f1ea"], [0.5, "#8ab4d6"], [1, "#07477b"]],
    dark: [[0, "#20242a"], [0.5, "#2c6492"], [1, "#9fd8ff"]],
  },
  poles: {
    light: [[0, "#b34700"], [0.5, "#f7f5f0"], [1, "#07477b"]],
    dark: [[0, "#ff9d4d"], [0.5, "#20242a"], [1, "#7cc4f8"]],
  },
};

function recoloured(data) {
  const ink = getComputedStyle(document.body).getPropertyValue("color");
  return data.map((trace) => {
    const made = structuredClone(trace);
    for (const part of [made.marker, made.line]) {
      if (part && part.color === "#0072B2" && window.isDark()) part.color = "#56B4E9";
    }
    if (made.meta === "ink") made.line.color = ink;
    else if (made.meta in SCALES) made.colorscale = SCALES[made.meta][window.isDark() ? "dark" : "light"];
    return made;
  });
}

const OPTIONS = { displaylogo: false, responsive: true, displayModeBar: false };

let loading = null;
function plotly(address) {
  // Four megabytes that the first figure in sight asks for, and a page without figures never.
  loading ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => done(window.Plotly);
    script.onerror = failed;
    document.head.append(script);
  });
  return loading;
}

async function draw(place) {
  place.dataset.drawn = "yes";
  const figure = JSON.parse(place.querySelector("script").textContent);
  const target = place.querySelector(".plot");
  const library = await plotly(target.dataset.plotly);
  target.textContent = "";
  await library.newPlot(target, recoloured(figure.data), themed(figure.layout), OPTIONS);
  place.dataset.drawn = "done";
}

const figures = [...document.querySelectorAll(".figure")];
if (figures.length) {
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
