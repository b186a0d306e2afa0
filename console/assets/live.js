// Keeps a page as fresh as the server: when something changes, the part marked `live` is fetched again and swapped.
"use strict";
const link = document.getElementById("link");
const live = () => document.getElementById("live");
let due = null;

function say(state, words) {
  link.dataset.state = state;
  link.textContent = words;
}

async function refresh() {
  due = null;
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("live");
  if (fresh && !live().contains(document.activeElement)) live().replaceWith(fresh);
  document.dispatchEvent(new Event("refreshed"));
}

// Many changes in a moment cost one fetch: at the end of a quarter of a second.
function soon() {
  if (due === null) due = setTimeout(() => refresh().catch(() => {}), 250);
}

function listen() {
  const events = new EventSource("/api/v1/events");
  events.onopen = () => { say("open", "live"); soon(); };
  events.onerror = () => say("lost", "connection lost, trying again");
  for (const name of (live()?.dataset.events ?? "case").split(" ")) events.addEventListener(name, soon);
}

if (live()) listen();
