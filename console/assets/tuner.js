// The tuner: sliders follow their fields and fields their sliders; a suggestion is taken over by a button; what is not yet
// worked out is fetched until it is. Without this script the fields alone do, and the page comes back by itself.
import { refresh } from "/assets/live.js";

const ASK_AGAIN_MS = 600;

for (const slider of document.querySelectorAll("input[type=range][data-for]")) {
  const field = document.getElementById(slider.dataset.for);
  slider.addEventListener("input", () => { field.value = slider.value; });
  field.addEventListener("input", () => { slider.value = field.value; });
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("button.take");
  if (!button) return;
  const field = document.getElementById(button.dataset.for);
  field.value = button.dataset.value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  document.getElementById("go").click();
});
document.getElementById("choose").elements.kind.addEventListener("change", (event) => event.target.form.requestSubmit());
document.getElementById("tune").addEventListener("submit", () => {
  const go = document.getElementById("go");
  // Disabled after the form was read: a disabled button is not sent.
  setTimeout(() => { go.disabled = true; go.textContent = go.dataset.busy; }, 0);
});
async function follow() {
  while (document.querySelector("#result[data-unfinished]")) {
    await new Promise((then) => setTimeout(then, ASK_AGAIN_MS));
    // A server that does not answer for a moment is asked again.
    await refresh(new Set(["whatif"])).catch(() => {});
  }
}
follow();
