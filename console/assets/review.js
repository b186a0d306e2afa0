// The review queue: one keystroke a verdict, and the next item without loading the page anew. Without this script every
// verdict is a form that is posted.
const KEEP = "citybrain.by";
const region = () => document.getElementById("review");
const by = () => document.getElementById("by");
let busy = false;

function ready() {
  const field = by();
  if (field && field.value === "") field.value = localStorage.getItem(KEEP) ?? "";
}

function tell(name) {
  const said = document.getElementById("said");
  said.textContent = said.dataset[name];
  said.hidden = false;
}

function show(text, address) {
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("review");
  if (!fresh) { location.assign(address); return; }
  region().replaceWith(document.importNode(fresh, true));
  history.replaceState(null, "", address);
  ready();
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post" || !region().contains(form)) return;
  event.preventDefault();
  if (busy) return;
  const fields = new URLSearchParams(new FormData(form, event.submitter));
  const field = by();
  if (field) {
    const name = field.value.trim();
    if (name === "") { tell("by"); field.focus(); return; }
    localStorage.setItem(KEEP, name);
    fields.set("by", name);
  }
  busy = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body: fields });
    const text = await answer.text();
    // Somebody was quicker: the page says what he said, and the address stays.
    if (answer.ok) show(text, answer.url);
    else if (answer.status === 409) show(text, location.href);
    else tell("lost");
  } catch { tell("lost"); }
  busy = false;
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.matches("input:not([type=checkbox]), select, textarea")) return;
  const key = CSS.escape(event.key.toLowerCase());
  const target = region().querySelector(`[data-key="${key}" i]`);
  if (!target) return;
  event.preventDefault();
  target.click();
});
ready();
