// The same marks as the large map, as SVG: for browsers without WebGL and for the small map of a case.
const NS = "http://www.w3.org/2000/svg";
const WIDTH = 1000;

function make(name, attributes, parent) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent?.append(element);
  return element;
}

/** Draws `{cameras, cases, areas}` into a place; `focus` is a position to stand in the middle, `reach` degrees around it. */
export function drawPlain(place, found, focus = null, reach = 0.004) {
  const marks = [...found.cameras, ...found.cases];
  const all = focus
    ? [[focus[0] - reach, focus[1] - reach / 2], [focus[0] + reach, focus[1] + reach / 2]]
    : marks.map((mark) => mark.position).concat(...found.areas.map((area) => area.outline));
  if (all.length === 0) {
    place.textContent = place.dataset.nothing ?? "";
    return;
  }
  const least = (axis) => Math.min(...all.map((position) => position[axis]));
  const most = (axis) => Math.max(...all.map((position) => position[axis]));
  // A degree of longitude is shorter than one of latitude by the cosine of where it lies.
  const shrink = Math.cos(((least(1) + most(1)) / 2) * Math.PI / 180) || 1;
  const wide = Math.max((most(0) - least(0)) * shrink, 1e-4);
  const tall = Math.max(most(1) - least(1), 1e-4, wide / 3);
  const scale = (WIDTH - 80) / Math.max(wide, tall * 2);
  const height = tall * scale + 80;
  const middle = [(least(0) + most(0)) / 2, (least(1) + most(1)) / 2];
  const at = ([longitude, latitude]) =>
    [WIDTH / 2 + (longitude - middle[0]) * shrink * scale, height / 2 - (latitude - middle[1]) * scale];

  const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${height.toFixed(0)}`, class: "plainmap" });
  for (const area of found.areas) {
    const shape = make("polygon", { class: "area", points: area.outline.map((position) => at(position).map((n) => n.toFixed(1)).join(",")).join(" ") }, svg);
    make("title", {}, shape).textContent = area.name;
  }
  const dot = (kind, mark, tone, radius, words) => {
    const [x, y] = at(mark.position);
    if (x < 0 || y < 0 || x > WIDTH || y > height) return;
    const link = make("a", { href: `/${kind}/${encodeURIComponent(mark.id)}` }, svg);
    link.setAttribute("aria-label", words);
    const circle = make("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: radius, class: tone }, link);
    make("title", {}, circle).textContent = words;
  };
  for (const mark of found.cameras) dot("cameras", mark, mark.tone, 7, `${place.dataset.camera ?? ""} ${mark.name}: ${mark.state}`);
  for (const mark of found.cases) dot("cases", mark, mark.urgent ? "urgent" : "case", 12, `${place.dataset.case ?? ""} ${mark.kind} ${mark.id}: ${mark.state}`);
  place.replaceChildren(svg);
}
