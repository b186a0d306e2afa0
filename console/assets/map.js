// The map of the city. With WebGL it is MapLibre's, drawn from what the server knows, over tiles where there are some; without WebGL, or
// where a small picture is enough, the same marks are drawn as SVG.
import { onEvent } from "/assets/live.js";
import { drawPlain } from "/assets/plainmap.js";

const place = document.getElementById("map");
// The ground, from the one other server that the page may ask; without it the map is drawn on nothing.
const tiles = place.dataset.tiles;
const colour = (name) => {
  const probe = document.createElement("i");
  probe.className = `dot ${name}`;
  place.append(probe);
  const found = getComputedStyle(probe).backgroundColor;
  probe.remove();
  return found;
};

async function read() {
  const answer = await fetch("/map/features", { cache: "no-store" });
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  const found = await answer.json();
  const note = document.getElementById("nowhere");
  note.textContent = note.dataset.words.replace("#", found.nowhere);
  note.hidden = found.nowhere === 0;
  return found;
}

const point = (mark, properties) =>
  ({ type: "Feature", geometry: { type: "Point", coordinates: mark.position }, properties });
const collection = (features) => ({ type: "FeatureCollection", features });

function sources(found) {
  return {
    areas: collection(found.areas.map((area) => ({
      type: "Feature", properties: { name: area.name },
      geometry: { type: "Polygon", coordinates: [[...area.outline, area.outline[0]]] },
    }))),
    cameras: collection(found.cameras.map((mark) => point(mark, { id: mark.id, name: mark.name, words: mark.state, tone: mark.tone }))),
    cases: collection(found.cases.map((mark) => point(mark, { id: mark.id, name: mark.kind, words: mark.state, tone: mark.urgent ? "urgent" : "case" }))),
  };
}

function bounds(found) {
  const all = [...found.cameras, ...found.cases].map((mark) => mark.position).concat(...found.areas.map((area) => area.outline));
  if (all.length === 0) return null;
  const of = (axis) => all.map((position) => position[axis]);
  return [[Math.min(...of(0)), Math.min(...of(1))], [Math.max(...of(0)), Math.max(...of(1))]];
}

function style(found) {
  const data = sources(found);
  const tones = ["match", ["get", "tone"], "urgent", colour("urgent"), "case", colour("case"), "good", colour("good"),
    "warn", colour("warn"), "alarm", colour("alarm"), colour("still")];
  const circles = (id, radius) => ({
    id, type: "circle", source: id,
    paint: { "circle-radius": radius, "circle-color": tones, "circle-stroke-width": 1.5, "circle-stroke-color": colour("rim") },
  });
  return {
    version: 8,
    sources: {
      ...(tiles ? { tiles: { type: "raster", tiles: [tiles], tileSize: 256 } } : {}),
      ...Object.fromEntries(Object.entries(data).map(([id, each]) => [id, { type: "geojson", data: each }])),
    },
    layers: [
      { id: "ground", type: "background", paint: { "background-color": colour("ground") } },
      ...(tiles ? [{ id: "tiles", type: "raster", source: "tiles" }] : []),
      { id: "areas", type: "fill", source: "areas", paint: { "fill-color": colour("area"), "fill-opacity": 0.25 } },
      { id: "outlines", type: "line", source: "areas", paint: { "line-color": colour("area"), "line-width": 1.5 } },
      circles("cameras", 5), circles("cases", 9),
    ],
  };
}

// What is told of a mark is text, never markup.
function told(kind, { id, name, words }) {
  const box = document.createElement("div");
  const link = document.createElement("a");
  link.href = `/${kind}/${encodeURIComponent(id)}`;
  link.textContent = name === id ? id : `${name} · ${id}`;
  box.append(link, document.createElement("br"), words);
  return box;
}

async function drawn(found) {
  const { Map, NavigationControl, Popup, setWorkerUrl } = await import("/assets/vendor/maplibre-gl.mjs");
  setWorkerUrl("/assets/vendor/maplibre-gl-worker.mjs");
  const box = bounds(found);
  const map = new Map({
    container: place, style: style(found), attributionControl: false, maxPitch: 0, dragRotate: false,
    ...(box ? { bounds: box, fitBoundsOptions: { padding: 40, maxZoom: 16 } } : { center: [0, 0], zoom: 1 }),
  });
  map.addControl(new NavigationControl({ showCompass: false }));
  for (const kind of ["cameras", "cases"]) {
    map.on("click", kind, (event) => {
      new Popup().setLngLat(event.lngLat).setDOMContent(told(kind, event.features[0].properties)).addTo(map);
    });
    map.on("mouseenter", kind, () => { map.getCanvas().style.cursor = "pointer"; });
    map.on("mouseleave", kind, () => { map.getCanvas().style.cursor = ""; });
  }
  if (tiles) document.getElementById("tiles-by").hidden = false;
  map.once("idle", () => { place.dataset.drawn = "webgl"; });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", async () => map.setStyle(style(await read())));
  return (next) => Object.entries(sources(next)).forEach(([id, data]) => map.getSource(id)?.setData(data));
}

function plain(found) {
  const show = (next) => {
    drawPlain(place, next);
    place.dataset.drawn = "plain";
  };
  show(found);
  return show;
}

const hasWebgl = () => {
  try { return document.createElement("canvas").getContext("webgl2") !== null; } catch { return false; }
};

const found = await read();
let show;
try { show = hasWebgl() ? await drawn(found) : plain(found); } catch (error) {
  console.warn("the map is drawn plainly", error);
  place.replaceChildren();
  show = plain(found);
}
let due = null;
function soon() {
  due ??= setTimeout(async () => {
    try { show(await read()); } catch { /* the next event tries again */ }
    due = null;
  }, 1000);
}
for (const name of ["case", "camera", "missed"]) onEvent(name, soon);
