// Deciding about one scene: every decision is sent at once, and only then the next scene is shown.
"use strict";

(() => {
  const desk = document.getElementById("desk");
  const page = `scenes/${location.pathname.split("/scenes/")[1]}`;
  const { seen, label, verdict, method, root } = desk.dataset;
  const digests = JSON.parse(document.getElementById("digests").textContent);
  const cards = [...document.querySelectorAll(".card.candidate")];
  const because = document.getElementById("because");
  const button = (id) => document.getElementById(id);
  let busy = false;

  // -- what outlives the page: a reason that is being written, where decisions were made, a notice ---

  const kept = {
    read: (key) => { try { return JSON.parse(sessionStorage.getItem(key)); } catch { return null; } },
    write: (key, value) => {
      try {
        if (value === null) sessionStorage.removeItem(key);
        else sessionStorage.setItem(key, JSON.stringify(value));
      } catch { /* storage may be forbidden: then nothing outlives the page */ }
    },
  };
  const draft = `draft:${page}`;

  const notice = document.getElementById("notice");
  function tell(text, kind = "problem") {
    notice.textContent = text;
    notice.className = `notice ${kind}`;
    notice.hidden = !text;
  }

  function go(url) { location.assign(root + url); }

  // -- sending ----------------------------------------------------------------------------------------

  async function send(what, chosen = "") {
    if (busy) return;
    busy = true;
    desk.classList.add("busy");
    tell("");
    const order = {
      page: decodeURIComponent(page), verdict: what, method: chosen, because: because.value,
      seen: +seen, judged: chosen ? digests[chosen] : "",
    };
    try {
      const answer = await fetch(`${root}decide`, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(order),
      });
      const type = answer.headers.get("content-type") || "";
      const said = type.includes("json") ? await answer.json() : { error: await answer.text() };
      if (answer.ok) saved(what, chosen, said);
      else refused(answer.status, said.error);
    } catch {
      refused(0, "the server does not answer; start fusionlab review again, and open its address");
    }
  }

  function saved(what, chosen, said) {
    kept.write(draft, null);
    const made = kept.read("made") || [];
    if (what === "withdraw") kept.write("made", made.filter((other) => other !== page));
    else kept.write("made", [...made.filter((other) => other !== page), page].slice(-500));
    const scene = said.decision.scene;
    const words = {
      accept: `Saved: ${scene} keeps ${chosen}.`, choose: `Saved: ${scene} gets ${chosen}.`,
      veto: `Saved: ${scene} gets no label.`, withdraw: `Withdrawn: ${scene} is open again.`,
    };
    kept.write("notice", [words[what] + (what === "withdraw" ? "" : " U takes it back."), "good"]);
    go(said.next);
  }

  function refused(status, error) {
    if (status === 409) { // somebody else decided, or the pixels changed: show what is so now
      kept.write("notice", [`Not saved: ${error}. Look again.`, "problem"]);
      location.reload();
      return;
    }
    busy = false;
    desk.classList.remove("busy");
    tell(`Not saved: ${error}`);
  }

  // -- the verdicts -----------------------------------------------------------------------------------

  const accept = () => (label ? send("accept", label) : tell("There is no label to accept: choose a candidate."));
  const choose = (name) => send(name === label ? "accept" : "choose", name);
  const veto = () => send("veto");

  function undo() {
    if (verdict) { send("withdraw"); return; }
    const made = kept.read("made") || [];
    if (!made.length) { tell("There is nothing to undo: this scene has no decision."); return; }
    kept.write("undo", made.at(-1));
    go(made.at(-1));
  }

  // -- selecting a candidate --------------------------------------------------------------------------

  let selected = -1;
  function select(index) {
    selected = (index + cards.length) % cards.length;
    cards.forEach((card, i) => card.classList.toggle("selected", i === selected));
    const card = cards[selected];
    card.querySelector(".view").focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
    button("selected").textContent = card.dataset.name;
    button("choose-key").textContent = "Enter";
    button("choose").disabled = false;
  }
  const step = (by) => { if (cards.length) select(selected < 0 && by < 0 ? -1 : selected + by); };
  const chooseSelected = () => { if (selected < 0) return false; choose(cards[selected].dataset.name); };

  cards.forEach((card, i) => {
    const pick = document.createElement("button");
    pick.type = "button";
    pick.className = "pick";
    const key = i < 9 ? document.createElement("kbd") : "";
    if (key) key.textContent = i + 1;
    pick.append("choose ", key);
    pick.title = `Make ${card.dataset.name} the label`;
    pick.addEventListener("click", () => choose(card.dataset.name));
    const line = document.createElement("div");
    line.className = "line";
    line.append(pick);
    card.querySelector(".line").after(line);
    card.classList.toggle("decided", card.dataset.name === method);
  });

  // -- the reason -------------------------------------------------------------------------------------

  const written = because.value;
  const fit = () => { because.style.height = "auto"; because.style.height = `${because.scrollHeight + 2}px`; };
  function edited() {
    kept.write(draft, because.value === written ? null : because.value);
    button("save").hidden = !verdict || because.value === written;
    fit();
  }
  because.addEventListener("input", edited);
  because.addEventListener("keydown", (event) => {
    if (event.key === "Escape") because.blur();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      because.blur();
      if (!button("save").hidden) send(verdict, method);
    }
  });
  if (kept.read(draft) !== null) because.value = kept.read(draft);
  edited();

  // -- buttons and keys -------------------------------------------------------------------------------

  button("accept").addEventListener("click", accept);
  button("choose").addEventListener("click", chooseSelected);
  button("veto").addEventListener("click", veto);
  button("undo").addEventListener("click", undo);
  button("save").addEventListener("click", () => send(verdict, method));

  const KEYS = {
    a: accept, v: veto, u: undo, j: () => step(1), k: () => step(-1), Enter: chooseSelected,
    c: () => { because.focus(); because.scrollIntoView({ block: "nearest" }); },
    q: () => go("index.html"),
  };

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.target.closest("input:not([type=range]), textarea, select")) return;
    if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
    const place = /^[1-9]$/.test(event.key) ? +event.key - 1 : -1;
    const act = place >= 0 ? () => cards[place] && choose(cards[place].dataset.name) : KEYS[event.key];
    if (act && act() !== false) event.preventDefault();
  });

  // A page that the browser kept is of the past: have it made anew.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  // How large the images are shown stays from scene to scene.
  const columns = document.getElementById("columns");
  columns.value = kept.read("size") || (innerWidth < 640 ? 160 : 220);
  columns.dispatchEvent(new Event("input"));
  columns.addEventListener("change", () => kept.write("size", columns.value));

  // What will be looked at next is fetched while this is looked at.
  addEventListener("load", () => {
    for (const url of JSON.parse(document.getElementById("ahead").textContent)) new Image().src = root + url;
  });

  const message = kept.read("notice");
  if (message) { kept.write("notice", null); tell(...message); }
  if (kept.read("undo") === page) {
    kept.write("undo", null);
    if (verdict) send("withdraw");
  }
})();
