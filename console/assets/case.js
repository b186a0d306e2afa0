// The small map of a case.
import { onEvent } from "/assets/live.js";
import { drawPlain } from "/assets/plainmap.js";

const place = document.getElementById("small-map");
async function show() {
  const answer = await fetch("/map/features", { cache: "no-store" });
  if (answer.ok) drawPlain(place, await answer.json(), [Number(place.dataset.longitude), Number(place.dataset.latitude)]);
}
if (place) {
  show();
  onEvent("missed", show);
}
