// The editor of a camera's zones, drawn on its picture. Everything is reachable by keyboard: parts and corners take
// the focus, arrows move, Enter adds a corner, Delete takes one away. Nothing is in force until it is saved, and then
// only when the whole configuration is sound with it.
const NS = "http://www.w3.org/2000/svg";
const SIDE = 1000;
const editor = document.getElementById("editor");
const svg = document.getElementById("drawing");
const list = document.getElementById("parts");
const said = document.getElementById("said");
const byId = (id) => document.getElementById(id);
const canEdit = "edit" in editor.dataset;
const loaded = JSON.parse(editor.dataset.drawing);
let version = loaded.version;
let parts = flat(loaded.parts);
let saved = JSON.stringify(parts);
let chosen = -1;
let corner = -1;

// Masks and zones in one list: `mask` ones hold for every kind.
function flat({ ignore, zones }) {
  return [
    ...ignore.map((polygon) => ({ mask: true, polygon })),
    ...zones.map((zone) => ({ mask: false, ...zone })),
  ];
}
function sent() {
  return {
    ignore: parts.filter((part) => part.mask).map((part) => part.polygon),
    zones: parts.filter((part) => !part.mask).map(({ was, name, kinds, ignore, polygon }) => ({ was: was ?? null, name, kinds, ignore, polygon })),
  };
}

const inside = (value) => Math.min(1, Math.max(0, Math.round(value * 10_000) / 10_000));
const title = (part, index) => part.mask ? `${editor.dataset.mask} ${index + 1}` : part.name || `${editor.dataset.zone} ${index + 1}`;

function make(name, attributes, parent) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

function draw() {
  svg.replaceChildren();
  // Corners are round on the screen, whatever the picture's shape.
  const { width, height } = editor.getBoundingClientRect();
  const [rx, ry] = [8 * SIDE / (width || SIDE), 8 * SIDE / (height || SIDE)];
  parts.forEach((part, index) => {
    const points = part.polygon.map(([x, y]) => `${x * SIDE},${y * SIDE}`).join(" ");
    const sort = part.mask ? "mask" : part.ignore ? "off" : "zone";
    const shape = make("polygon", { points, class: `${sort}${index === chosen ? " chosen" : ""}`, "data-part": index }, svg);
    make("title", {}, shape).textContent = title(part, index);
  });
  const part = parts[chosen];
  if (canEdit && part) {
    part.polygon.forEach(([x, y], at) => {
      make("ellipse", {
        cx: x * SIDE, cy: y * SIDE, rx, ry, tabindex: 0, role: "button", "data-corner": at,
        class: at === corner ? "chosen" : "", "aria-label": `${editor.dataset.corner} ${at + 1}: ${Math.round(x * 100)} %, ${Math.round(y * 100)} %`,
      }, svg);
    });
  }
  listed();
  rules();
}

function listed() {
  list.replaceChildren(...parts.map((part, index) => {
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.id = `part-${index}`;
    button.textContent = title(part, index);
    button.setAttribute("aria-pressed", String(index === chosen));
    button.addEventListener("click", () => choose(index));
    row.append(button, ` ${part.mask ? "" : part.kinds.join(", ")}`);
    return row;
  }));
}

function rules() {
  if (!canEdit) return;
  const part = parts[chosen];
  byId("rules").disabled = !part || part.mask;
  for (const id of ["add-corner", "remove-part"]) byId(id).disabled = !part;
  byId("remove-corner").disabled = !part || corner < 0 || part.polygon.length <= 3;
  const dirty = JSON.stringify(parts) !== saved;
  byId("save").disabled = byId("discard").disabled = !dirty;
  if (!part || part.mask) return;
  if (document.activeElement !== byId("part-name")) byId("part-name").value = part.name;
  byId("part-ignore").checked = part.ignore;
  for (const box of byId("part-kinds").querySelectorAll("input")) box.checked = part.kinds.includes(box.value);
}

function choose(index, at = -1) {
  chosen = index;
  corner = at;
  draw();
}

function focusCorner(at) {
  corner = at;
  draw();
  svg.querySelector(`[data-corner="${at}"]`)?.focus();
}

function add(mask) {
  parts.push({ mask, name: "", kinds: [], ignore: false, polygon: [[0.35, 0.35], [0.65, 0.35], [0.65, 0.65], [0.35, 0.65]] });
  chosen = parts.length - 1;
  focusCorner(0);
}

// A new corner comes into the middle of the side after the one in hand.
function addCorner() {
  const { polygon } = parts[chosen];
  const at = Math.max(corner, 0);
  const [a, b] = [polygon[at], polygon[(at + 1) % polygon.length]];
  polygon.splice(at + 1, 0, [inside((a[0] + b[0]) / 2), inside((a[1] + b[1]) / 2)]);
  focusCorner(at + 1);
}

function removeCorner() {
  const { polygon } = parts[chosen];
  if (polygon.length <= 3 || corner < 0) return;
  polygon.splice(corner, 1);
  focusCorner(Math.min(corner, polygon.length - 1));
}

function where(event) {
  const box = svg.getBoundingClientRect();
  return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
}

svg.addEventListener("pointerdown", (event) => {
  const at = event.target.dataset.corner;
  if (at !== undefined) {
    corner = Number(at);
    svg.setPointerCapture(event.pointerId);
    draw();
    event.preventDefault();
  } else if (event.target.dataset.part !== undefined) choose(Number(event.target.dataset.part));
});
svg.addEventListener("pointermove", (event) => {
  if (!svg.hasPointerCapture(event.pointerId) || corner < 0) return;
  parts[chosen].polygon[corner] = where(event);
  draw();
});
svg.addEventListener("focusin", (event) => {
  const at = event.target.dataset?.corner;
  if (at !== undefined && Number(at) !== corner) focusCorner(Number(at));
});
svg.addEventListener("keydown", (event) => {
  if (event.target.dataset.corner === undefined || !parts[chosen]) return;
  const step = event.shiftKey ? 0.05 : 0.005;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  const polygon = parts[chosen].polygon;
  if (moves[event.key]) {
    polygon[corner] = polygon[corner].map((value, axis) => inside(value + moves[event.key][axis]));
    focusCorner(corner);
  } else if (event.key === "Enter" || event.key === "+") addCorner();
  else if (event.key === "Delete" || event.key === "Backspace") removeCorner();
  else return;
  event.preventDefault();
});

function say(words, wrong = false) {
  said.textContent = words;
  said.className = wrong ? "panel notice warn" : "quiet";
}

async function save() {
  byId("save").disabled = true;
  try {
    const answer = await fetch(`/cameras/${encodeURIComponent(editor.dataset.camera)}/zones`, {
      method: "POST", headers: { "content-type": "application/json", "x-csrf-token": editor.dataset.csrf },
      body: JSON.stringify({ version, parts: sent() }),
    });
    const found = await answer.json();
    if (!answer.ok) { say(found.problems.join("\n"), true); rules(); return; }
    version = found.version;
    // What was new is now where it was written.
    let place = 0;
    for (const part of parts) if (!part.mask) part.was = place++;
    saved = JSON.stringify(parts);
    say(editor.dataset.saved);
  } catch { say(editor.dataset.failed, true); }
  draw();
}

if (canEdit) {
  byId("new-zone").addEventListener("click", () => add(false));
  byId("new-mask").addEventListener("click", () => add(true));
  byId("add-corner").addEventListener("click", addCorner);
  byId("remove-corner").addEventListener("click", removeCorner);
  byId("remove-part").addEventListener("click", () => { parts.splice(chosen, 1); choose(-1); });
  byId("part-name").addEventListener("input", (event) => { parts[chosen].name = event.target.value; draw(); });
  byId("part-ignore").addEventListener("change", (event) => { parts[chosen].ignore = event.target.checked; draw(); });
  byId("part-kinds").addEventListener("change", () => {
    parts[chosen].kinds = [...byId("part-kinds").querySelectorAll("input:checked")].map((box) => box.value);
    draw();
  });
  byId("save").addEventListener("click", save);
  byId("discard").addEventListener("click", () => { parts = JSON.parse(saved); say(""); choose(-1); });
  addEventListener("beforeunload", (event) => { if (JSON.stringify(parts) !== saved) event.preventDefault(); });
}
new ResizeObserver(draw).observe(editor);
draw();
