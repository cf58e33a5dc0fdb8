// The images of one scene: all show the same part of it, as it is or as a difference.
"use strict";

(() => {
  const viewer = document.getElementById("viewer");
  const size = { height: +viewer.dataset.height, width: +viewer.dataset.width };
  const cards = [...viewer.querySelectorAll(".card")];
  const views = cards.map((card) => card.querySelector(".view"));
  const LARGEST = 32;

  // -- zoom and pan: the point (x, y) of the scene, in shares, lies at a view's left upper corner ---

  const at = { zoom: 1, x: 0, y: 0 };
  const near = new Set();
  let mode = "";
  let peeked = "";

  function show() {
    at.zoom = Math.min(Math.max(at.zoom, 1), LARGEST);
    const room = 1 - 1 / at.zoom;
    at.x = Math.min(Math.max(at.x, 0), room);
    at.y = Math.min(Math.max(at.y, 0), room);
    viewer.style.setProperty("--zoom", at.zoom);
    viewer.style.setProperty("--x", `${-100 * at.x * at.zoom}%`);
    viewer.style.setProperty("--y", `${-100 * at.y * at.zoom}%`);
    viewer.classList.toggle("zoomed", at.zoom > 1);
    document.getElementById("zoom-says").textContent = `${+at.zoom.toPrecision(2)}×`;
    for (const view of views) {
      const coarse = (view.clientWidth * at.zoom * devicePixelRatio) / size.width > 2;
      view.classList.toggle("pixels", coarse);
    }
    sharpen();
  }

  function zoomAt(factor, x = 0.5, y = 0.5) {
    // The point under the pointer (x, y: shares of the view) stays where it is.
    const zoom = Math.min(Math.max(at.zoom * factor, 1), LARGEST);
    at.x += x / at.zoom - x / zoom;
    at.y += y / at.zoom - y / zoom;
    at.zoom = zoom;
    show();
  }

  function pan(x, y) {
    at.x += x / at.zoom;
    at.y += y / at.zoom;
    show();
  }

  function fit() {
    at.zoom = 1;
    show();
  }

  // -- full pixels where they matter -----------------------------------------------------------------

  function needsPixels(card) {
    const view = card.querySelector(".view");
    return at.zoom > 1 || mode || peeked || view.clientWidth * devicePixelRatio > 400;
  }

  function sharpen() {
    for (const card of near) {
      const image = card.querySelector(".base");
      if (image.dataset.full && needsPixels(card)) {
        image.src = image.dataset.full;
        delete image.dataset.full;
      }
    }
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) near[entry.isIntersecting ? "add" : "delete"](entry.target);
    sharpen();
    if (mode || peeked) cover();
  }, { rootMargin: "300px" });
  cards.forEach((card) => seen.observe(card));

  // -- differences: a second image is laid over each and blended by the browser -------------------

  function cardOf(name) {
    if (name === "label") return viewer.querySelector(".card.candidate.label");
    const [role, rest] = [name.slice(0, name.indexOf(":")), name.slice(name.indexOf(":") + 1)];
    return cards.find((card) => card.dataset.role === role && card.dataset.name === rest);
  }

  const boxOf = (card) => card.querySelector(".part").dataset.box.split(",").map(Number);
  const fullOf = (card) => {
    const image = card.querySelector(".base");
    return image.dataset.full || image.getAttribute("src");
  };

  function cover() {
    const other = cardOf(peeked || mode);
    const [left, top, width, height] = boxOf(other);
    for (const card of near) {
      const part = card.querySelector(".part");
      const [x, y, w, h] = boxOf(card);
      const over = part.querySelector(".over") || part.appendChild(new Image());
      over.className = "over";
      over.alt = "";
      over.draggable = false;
      if (over.getAttribute("src") !== fullOf(other)) over.src = fullOf(other);
      over.style.left = `${(100 * (left - x)) / w}%`;
      over.style.top = `${(100 * (top - y)) / h}%`;
      over.style.width = `${(100 * width) / w}%`;
      over.style.height = `${(100 * height) / h}%`;
    }
  }

  function uncover() {
    for (const over of viewer.querySelectorAll(".over")) over.remove();
  }

  const buttons = [...viewer.querySelectorAll("button.mode")];

  function change() {
    viewer.classList.toggle("difference", Boolean(mode) && !peeked);
    viewer.classList.toggle("peek", Boolean(peeked));
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    uncover();
    if (mode || peeked) cover();
    sharpen();
  }

  function setMode(name) { mode = name; change(); }

  function stepMode(step) {
    const names = buttons.map((button) => button.dataset.mode);
    setMode(names[(names.indexOf(mode) + step + names.length) % names.length]);
  }

  function peek(index) {
    const sources = buttons.map((b) => b.dataset.mode).filter((name) => name.startsWith("source:"));
    peeked = index === null ? "" : sources[index] || "";
    change();
  }

  const gain = document.getElementById("gain");
  function setGain() {
    const factor = 2 ** +gain.value;
    viewer.style.setProperty("--gain", factor);
    document.getElementById("gain-says").textContent = `×${factor}`;
  }
  gain.addEventListener("input", setGain);
  function stepGain(step) { gain.value = +gain.value + step; setGain(); }

  // -- size and enlarging -----------------------------------------------------------------------------

  const columns = document.getElementById("columns");
  columns.addEventListener("input", () => {
    viewer.style.setProperty("--card", `${columns.value}px`);
    show();
  });

  function enlarge(card) {
    const was = card.classList.contains("large");
    cards.forEach((other) => other.classList.remove("large"));
    card.classList.toggle("large", !was);
    if (!was) card.scrollIntoView({ block: "nearest" });
    show();
  }

  // -- pointer ----------------------------------------------------------------------------------------

  const share = (view, event) => {
    const box = view.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };

  const fingers = new Map();
  function moved(view, event) {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const box = view.getBoundingClientRect();
    const others = [...fingers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    if (others.length === 1) {
      const gap = (point) => Math.hypot(point.x - others[0].x, point.y - others[0].y);
      const now = { x: event.clientX, y: event.clientY };
      if (gap(before) > 0) zoomAt(gap(now) / gap(before), ...share(view, event));
    } else {
      pan((before.x - event.clientX) / box.width, (before.y - event.clientY) / box.height);
    }
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  for (const view of views) {
    view.addEventListener("wheel", (event) => {
      if (!(event.ctrlKey || event.metaKey || event.altKey)) return;
      event.preventDefault();
      zoomAt(2 ** (-event.deltaY / 200), ...share(view, event));
    }, { passive: false });
    view.addEventListener("dblclick", (event) => zoomAt(event.shiftKey ? 0.5 : 2, ...share(view, event)));
    view.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      view.setPointerCapture(event.pointerId);
    });
    view.addEventListener("pointermove", (event) => moved(view, event));
    for (const end of ["pointerup", "pointercancel"]) {
      view.addEventListener(end, (event) => fingers.delete(event.pointerId));
    }
  }

  // -- buttons and keys -------------------------------------------------------------------------------

  buttons.forEach((button) => button.addEventListener("click", () => setMode(button.dataset.mode)));
  for (const button of viewer.querySelectorAll("[data-zoom]")) {
    const acts = { in: () => zoomAt(1.5), out: () => zoomAt(1 / 1.5), fit };
    button.addEventListener("click", acts[button.dataset.zoom]);
  }
  for (const card of cards) {
    card.querySelector(".enlarge").addEventListener("click", () => enlarge(card));
  }
  const help = document.getElementById("help");
  document.getElementById("help-opens").addEventListener("click", () => help.showModal());

  const follow = (id) => { const link = document.getElementById(id); if (link) link.click(); };
  const arrow = (x, y) => () => { if (at.zoom > 1) pan(x, y); else return false; };
  const KEYS = {
    "+": () => zoomAt(1.5), "=": () => zoomAt(1.5), "-": () => zoomAt(1 / 1.5), 0: fit,
    ArrowLeft: arrow(-0.1, 0), ArrowRight: arrow(0.1, 0), ArrowUp: arrow(0, -0.1), ArrowDown: arrow(0, 0.1),
    d: () => stepMode(1), D: () => stepMode(-1), i: () => setMode(""),
    "[": () => stepGain(-1), "]": () => stepGain(1), s: () => peek(0), S: () => peek(1),
    f: () => {
      const card = cards.find((c) => c.matches(":hover")) || document.activeElement.closest(".card");
      if (card) enlarge(card); else return false;
    },
    p: () => follow("before"), n: () => follow("after"), "?": () => help.showModal(),
  };

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.target.closest("input:not([type=range]), textarea, select, [contenteditable]")) return;
    if (event.target.matches("input[type=range]") && event.key.startsWith("Arrow")) return;
    const act = KEYS[event.key];
    if (!act || (event.repeat && /^s$/i.test(event.key))) return;
    if (act() !== false) event.preventDefault();
  });
  addEventListener("keyup", (event) => { if (/^s$/i.test(event.key)) peek(null); });
  addEventListener("blur", () => { if (peeked) peek(null); });
  addEventListener("resize", show);
  setGain();
  show();
})();
