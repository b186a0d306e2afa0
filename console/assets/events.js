// The one stream of a browser: as a shared worker for all its pages, as a module for a page without shared workers.
const NAMES = ["case", "delivery", "camera", "policy", "missed"];
const AGAIN_MS = 15_000;
const ports = new Set();
let state = "wait";

function open(tell) {
  const source = new EventSource("/api/v1/events");
  const turn = (name) => { state = name; tell({ kind: "state", name }); };
  source.onopen = () => turn("open");
  source.onerror = () => {
    // The browser tries a broken stream again by itself; one that was refused it gives up.
    if (source.readyState !== 2) return turn("lost");
    turn("full");
    setTimeout(() => open(tell), AGAIN_MS * (1 + Math.random()));
  };
  for (const name of NAMES) {
    source.addEventListener(name, (event) => tell({ kind: "event", name, data: event.data }));
  }
}

function listen(tell) { open(tell); }

if (typeof SharedWorkerGlobalScope !== "undefined" && self instanceof SharedWorkerGlobalScope) {
  self.onconnect = ({ ports: [port] }) => {
    if (ports.size === 0 && state === "wait") open((message) => ports.forEach((each) => each.postMessage(message)));
    ports.add(port);
    port.onmessage = () => ports.delete(port);
    if (state !== "wait") port.postMessage({ kind: "state", name: state });
  };
} else {
  self.citybrainListen = listen;
}
