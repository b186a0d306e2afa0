// Figures change without events: they are asked for while somebody looks.
import { refresh } from "/assets/live.js";

const EVERY_MS = 5_000;
setInterval(() => { if (document.visibilityState === "visible") refresh().catch(() => {}); }, EVERY_MS);
