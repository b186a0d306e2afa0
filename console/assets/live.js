// Keeps a page as fresh as the server. An element with an id and `data-live="case camera"` is fetched again and
// swapped when such an event comes. Page scripts import `onEvent`, `onSwap` and `refresh`; they carry no words of
// their own: the server puts those into data attributes.
const link = document.getElementById("link");
const listeners = new Map();
const swapped = [];
const wanted = () => [...document.querySelectorAll("[data-live][id]")];
const POLL_MS = 30_000;
const QUIET_MS = 200;
let pending = new Set();
let timer = null;
let last = 0;
let polling = null;

/** Calls `then(data)` for every event of a name. */
export function onEvent(name, then) {
  if (!listeners.has(name)) listeners.set(name, []);
  listeners.get(name).push(then);
}

/** Calls `then(element)` for every element that was swapped. */
export function onSwap(then) { swapped.push(then); }

function say(state) {
  link.dataset.state = state;
  link.textContent = link.dataset[state];
}

// A field that is being filled in is not taken away from whoever fills it in.
function isInUse(element) {
  const active = document.activeElement;
  return element.contains(active) && active.matches("input, select, textarea")
    || element.querySelector("form[data-dirty], details[data-hold][open]") !== null;
}

function swap(old, fresh) {
  if (old.outerHTML === fresh.outerHTML || isInUse(old)) return;
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...old.querySelectorAll("details[open][id]")].map((element) => element.id);
  old.replaceWith(fresh);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  for (const then of swapped) then(fresh);
}

/** Fetches the page again and swaps the elements that want one of the events, or all of them. */
export async function refresh(events = null) {
  const regions = wanted().filter((element) =>
    events === null || element.dataset.live.split(" ").some((name) => events.has(name)));
  if (regions.length === 0) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of regions) {
    const fresh = page.getElementById(old.id);
    if (fresh && old.isConnected) swap(old, document.importNode(fresh, true));
  }
}

// The first change is shown at once; those that follow within a moment share one fetch.
function soon(name) {
  pending.add(name);
  if (timer !== null) return;
  const wait = Math.max(0, last + QUIET_MS - performance.now());
  timer = setTimeout(async () => {
    const events = pending;
    pending = new Set();
    last = performance.now();
    try { await refresh(events.has("missed") ? null : events); } catch { /* the next event tries again */ }
    last = Math.max(last, performance.now());
    timer = null;
    if (pending.size > 0) soon([...pending][0]);
  }, wait);
}

function hear({ kind, name, data }) {
  if (kind === "state") {
    say(name);
    if (name === "open") soon("missed");
    clearInterval(polling);
    polling = name === "full" ? setInterval(() => soon("missed"), POLL_MS) : null;
    return;
  }
  soon(name);
  for (const then of listeners.get(name) ?? []) then(JSON.parse(data));
}

// One stream serves every page of a browser: a browser opens six connections to a server at most.
function connect() {
  if (typeof SharedWorker === "function") {
    const worker = new SharedWorker("/assets/events.js", { name: "events" });
    worker.port.onmessage = (message) => hear(message.data);
    worker.port.start();
    addEventListener("pagehide", () => worker.port.postMessage("bye"), { once: true });
    addEventListener("pageshow", (event) => { if (event.persisted) connect(); }, { once: true });
  } else {
    import("/assets/events.js").then(() => self.citybrainListen(hear));
  }
}

// A form that was touched keeps what was written.
document.addEventListener("input", (event) => event.target.form?.setAttribute("data-dirty", ""));
connect();
