// The alarm board: countdowns, sound, and verdicts by keyboard.
import { onSwap, refresh } from "/assets/live.js";

const board = () => document.getElementById("alarms");
const said = document.getElementById("said");
const news = document.getElementById("news");
const sound = document.getElementById("sound");
const by = document.getElementById("by");
const title = document.title;
const REPEAT_MS = 8_000;
let ahead = 0;
let chosen = null;
let known = null;
let audio = null;
let rang = 0;

const alarms = () => [...document.querySelectorAll("#alarms article")];
const open = () => alarms().filter((alarm) => "open" in alarm.dataset);
const now = () => Date.now() + ahead;

// --- countdown: by the server's clock, whatever the browser's says --------------------------------------------------
function tick() {
  for (const row of document.querySelectorAll(".countdown")) {
    const left = Math.ceil((Number(row.dataset.until) - now()) / 1000);
    const [figure, words] = row.children;
    figure.textContent = String(Math.abs(left));
    words.textContent = left >= 0 ? board().dataset.left : board().dataset.late;
    row.classList.toggle("late", left < 0);
  }
  if (open().length > 0 && performance.now() - rang > REPEAT_MS) ring();
}

// --- sound: browsers let a page sound only after a gesture ----------------------------------------------------------
const wanted = () => localStorage.getItem("citybrain.sound") !== "off";

function showSound() {
  const on = wanted();
  const waits = on && audio?.state !== "running";
  sound.setAttribute("aria-pressed", String(on));
  sound.textContent = on ? (waits ? sound.dataset.wait : sound.dataset.on) : sound.dataset.off;
}

async function wake() {
  audio ??= new AudioContext();
  if (audio.state === "suspended") await audio.resume().catch(() => {});
  showSound();
}

function ring() {
  if (!wanted() || audio?.state !== "running") return;
  rang = performance.now();
  document.body.dataset.rang = String(Number(document.body.dataset.rang ?? 0) + 1);
  const volume = audio.createGain();
  volume.connect(audio.destination);
  for (const [start, pitch] of [[0, 880], [0.25, 660], [0.5, 880], [0.75, 660]]) {
    const tone = audio.createOscillator();
    tone.frequency.value = pitch;
    tone.connect(volume);
    tone.start(audio.currentTime + start);
    tone.stop(audio.currentTime + start + 0.2);
  }
  volume.gain.setValueAtTime(0.25, audio.currentTime);
  volume.gain.setTargetAtTime(0, audio.currentTime + 0.95, 0.02);
}

function mute() {
  localStorage.setItem("citybrain.sound", wanted() ? "off" : "on");
  wake();
}

// --- what is new ----------------------------------------------------------------------------------------------------
function look() {
  ahead = Number(board().dataset.now) - Date.now();
  const ids = new Set(open().map((alarm) => alarm.dataset.case));
  const fresh = open().filter((alarm) => known !== null && !known.has(alarm.dataset.case));
  if (fresh.length > 0) {
    news.textContent = `${board().dataset.news} ${fresh.map((alarm) => alarm.dataset.name).join("; ")}`;
    rang = -Infinity;
  } else if (known === null) rang = -Infinity;
  known = ids;
  document.title = ids.size > 0 ? `(${ids.size}) ${title}` : title;
  if (chosen !== null) mark();
  tick();
}

// --- keyboard -------------------------------------------------------------------------------------------------------
function mark() {
  for (const alarm of alarms()) alarm.classList.toggle("chosen", alarm.dataset.case === chosen);
}

function current() {
  return alarms().find((alarm) => alarm.dataset.case === chosen)
    ?? document.activeElement?.closest("#alarms article") ?? alarms()[0] ?? null;
}

function move(step) {
  const all = alarms();
  if (all.length === 0) return;
  const at = all.findIndex((alarm) => alarm.dataset.case === chosen);
  const next = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + step))];
  chosen = next.dataset.case;
  mark();
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

function press(name) {
  const alarm = current();
  alarm?.querySelector(`#${name}-${CSS.escape(alarm.dataset.case)}`)?.click();
}

document.addEventListener("keydown", (event) => {
  wake();
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  const keys = {
    j: () => move(1), k: () => move(-1), c: () => press("confirm"), w: () => press("withdraw"), m: mute,
    a: () => {
      const alarm = current();
      alarm?.querySelector(`#department-${CSS.escape(alarm.dataset.case)}`)?.focus();
    },
    Enter: () => { if (event.target.matches("article")) press("to"); },
  };
  const act = keys[event.key] ?? keys[event.key.toLowerCase()];
  if (!act) return;
  if (event.key !== "Enter" || event.target.matches("article")) event.preventDefault();
  act();
});
document.addEventListener("pointerdown", wake);
sound.addEventListener("click", mute);

// --- verdicts: sent without leaving the board, so that it goes on sounding -------------------------------------------
function tell(words) {
  said.textContent = words;
  said.hidden = words === "";
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form.decide");
  if (!form) return;
  event.preventDefault();
  const who = by ? by.value.trim() : "";
  if (by && who === "") { tell(said.dataset.by); by.focus(); return; }
  const fields = new URLSearchParams(new FormData(form, event.submitter));
  if (by) fields.set("by", who);
  for (const button of form.querySelectorAll("button")) button.disabled = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body: fields, headers: { "x-inline": "1" } });
    tell(answer.ok ? "" : await answer.text());
  } catch { tell(said.dataset.lost); }
  for (const button of form.querySelectorAll("button")) button.disabled = false;
  form.removeAttribute("data-dirty");
  document.activeElement?.blur();
  await refresh();
});

onSwap(look);
look();
showSound();
setInterval(tick, 500);
