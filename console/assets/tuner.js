// The tuner: sliders follow their fields and fields their sliders; a suggestion is taken over by a button. Without this
// script the fields alone do.
for (const slider of document.querySelectorAll("input[type=range][data-for]")) {
  const field = document.getElementById(slider.dataset.for);
  slider.addEventListener("input", () => { field.value = slider.value; });
  field.addEventListener("input", () => { slider.value = field.value; });
}
for (const button of document.querySelectorAll("button.take")) {
  button.addEventListener("click", () => {
    const field = document.getElementById(button.dataset.for);
    field.value = button.dataset.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    document.getElementById("go").click();
  });
}
document.getElementById("choose").elements.kind.addEventListener("change", (event) => event.target.form.requestSubmit());
document.getElementById("tune").addEventListener("submit", (event) => {
  const go = document.getElementById("go");
  // Disabled after the form was read: a disabled button is not sent.
  setTimeout(() => { go.disabled = true; go.textContent = go.dataset.busy; }, 0);
});
