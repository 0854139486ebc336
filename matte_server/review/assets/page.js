"use strict";
// The review of one shot. The pictures are small copies of the float results, made for the screen. Every comp is made
// here, in linear light, from foreground and alpha, as a compositor's "over" does it.
const shot = JSON.parse(document.getElementById("shot").textContent);
const byId = (id) => document.getElementById(id);
const VIEWS = [
  ["plate", "plate"], ["clean", "clean plate"], ["alpha", "alpha"], ["foreground", "foreground"],
  ["checker", "over checker"], ["grey", "over grey"], ["colour", "over colour"], ["background", "over background"],
].filter(([name]) => name !== "background" || shot.frames.some((frame) => frame.pictures.background));
// The columns come from the review's columns.py; this script knows none of them.
const COLUMNS = shot.columns.map((column, place) => ({
  ...column, title: `${column.name} (${column.unit})`, read: (frame) => frame.values[place],
}));
const state = {
  index: 0, view: "checker", against: "plate", wipe: false, at: 0.5, stops: 0, zoom: 0, playing: false,
};

// -- light: the pictures are sRGB, made from scene-linear light whose values above 0.8 were rolled off.
const SHOULDER = 0.8;
function toScreen(light) {
  const x = Math.max(light, 0);
  const soft = x <= SHOULDER ? x : SHOULDER + (1 - SHOULDER) * (x - SHOULDER) / (x - SHOULDER + 1);
  return soft <= 0.0031308 ? 12.92 * soft : 1.055 * Math.pow(soft, 1 / 2.4) - 0.055;
}
function toLight(screen) {
  const soft = screen <= 0.04045 ? screen / 12.92 : Math.pow((screen + 0.055) / 1.055, 2.4);
  if (soft <= SHOULDER) return soft;
  const part = Math.min((soft - SHOULDER) / (1 - SHOULDER), 0.995);
  return SHOULDER + part / (1 - part);
}
const LIGHT = Float32Array.from({ length: 256 }, (_, code) => toLight(code / 255));
// The screen's codes by light / (1 + light), in steps so fine that no code is skipped.
const STEPS = 8191;
const SCREEN = Uint8ClampedArray.from({ length: STEPS + 1 }, (_, step) => {
  const part = Math.min(step / STEPS, 0.9999);
  return Math.round(255 * toScreen(part / (1 - part)));
});
const screenOf = (light) => SCREEN[(light / (1 + light)) * STEPS | 0];

// -- pictures: each is decoded once, and the last few are kept.
const kept = new Map();
const KEPT = 90;
function decoded(id) {
  if (!kept.has(id)) {
    kept.set(id, new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = () => {
        const canvas = document.createElement("canvas");
        canvas.width = image.naturalWidth;
        canvas.height = image.naturalHeight;
        const pen = canvas.getContext("2d", { willReadFrequently: true });
        pen.drawImage(image, 0, 0);
        resolve(pen.getImageData(0, 0, canvas.width, canvas.height));
      };
      image.onerror = () => reject(new Error(`picture ${id} cannot be decoded`));
      image.src = shot.pictures[id];
    }));
    if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  }
  return kept.get(id);
}
function picturesOf(view) {
  if (view === "plate" || view === "clean" || view === "alpha") return [view];
  return view === "background" ? ["foreground", "alpha", "background"] : ["foreground", "alpha"];
}
const hasView = (frame, view) => picturesOf(view).every((name) => frame.pictures[name] !== undefined);

// The colour behind a comp, by pixel.
function backdrop(view, width) {
  const tint = byId("tint").value;
  const colour = [1, 3, 5].map((start) => LIGHT[parseInt(tint.slice(start, start + 2), 16)]);
  const cell = Math.max(8, Math.round(width / 60));
  if (view === "grey") return () => [0.18, 0.18, 0.18];
  if (view === "colour") return () => colour;
  const dark = [0.09, 0.09, 0.09];
  const light = [0.32, 0.32, 0.32];
  return (x, y) => (((x / cell) | 0) + ((y / cell) | 0)) % 2 ? light : dark;
}

const LEAST_ALPHA = 40;
// Fills the pixel columns from..to of `out` with a view of a frame, from its decoded pictures.
function paint(out, view, pictures, from, to) {
  const { width, height, data } = out;
  const gain = Math.pow(2, state.stops);
  // The picture of the foreground has been multiplied by alpha.
  const [first, alpha, background] = pictures.map((picture) => picture.data);
  const backdropAt = backdrop(view, width);
  for (let y = 0; y < height; y++) {
    for (let x = from; x < to; x++) {
      const at = 4 * (y * width + x);
      data[at + 3] = 255;
      if (view === "alpha") {
        data[at] = data[at + 1] = data[at + 2] = first[at];
      } else if (view === "plate" || view === "clean") {
        for (let c = 0; c < 3; c++) data[at + c] = gain === 1 ? first[at + c] : screenOf(gain * LIGHT[first[at + c]]);
      } else if (view === "foreground") {
        // Divided by alpha, where that is high enough for a colour to be left in 8 bits.
        const seen = gain * 255 / Math.max(alpha[at], LEAST_ALPHA);
        for (let c = 0; c < 3; c++) data[at + c] = screenOf(seen * LIGHT[first[at + c]]);
      } else {
        const a = alpha[at] / 255;
        const b = background ? [LIGHT[background[at]], LIGHT[background[at + 1]], LIGHT[background[at + 2]]]
          : backdropAt(x, y);
        for (let c = 0; c < 3; c++) data[at + c] = screenOf(gain * (LIGHT[first[at + c]] + (1 - a) * b[c]));
      }
    }
  }
}

// The last call's number: a call that finds a newer one after waiting for pictures draws nothing.
let lastDraw = 0;
async function draw() {
  const mine = ++lastDraw;
  const frame = shot.frames[state.index];
  const shown = state.wipe ? [state.view, state.against] : [state.view];
  const missing = shown.some((view) => !hasView(frame, view));
  byId("missing").hidden = !missing;
  byId("frame-box").hidden = missing;
  if (missing) {
    byId("missing").textContent = frame.reasons.find((reason) => reason.startsWith("No result"))
      || "This frame's pictures are not in the page: of a long shot, it holds every few frames and those to look at.";
    finished();
    return;
  }
  const decodedViews = await Promise.all(shown.map((view) => Promise.all(picturesOf(view).map(
    (name) => decoded(frame.pictures[name])))));
  if (mine !== lastDraw) return;
  const { width, height } = decodedViews[0][0];
  const canvas = byId("picture");
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  const out = pen.createImageData(width, height);
  const cut = state.wipe ? Math.round(state.at * width) : width;
  paint(out, shown[0], decodedViews[0], 0, cut);
  if (state.wipe) paint(out, shown[1], decodedViews[1], cut, width);
  pen.putImageData(out, 0, 0);
  fit(width, height);
  finished();
}
function finished() { document.body.dataset.drawn = `${shot.frames[state.index].frame} ${state.view}`; }

function fit(width, height) {
  const stage = byId("stage");
  stage.style.setProperty("--tall", height / width);
  const scale = [Math.min((stage.clientWidth) / width, (stage.clientHeight) / height), 1, 2][state.zoom];
  const canvas = byId("picture");
  canvas.style.width = `${Math.floor(width * scale)}px`;
  canvas.style.height = `${Math.floor(height * scale)}px`;
  canvas.style.imageRendering = scale >= 2 ? "pixelated" : "auto";
  const line = byId("wipe-line");
  line.hidden = !state.wipe;
  line.style.left = `${100 * state.at}%`;
}

// -- text and figures
const format = (value, digits) => value === null ? "–"
  : Math.abs(value) < 0.5 * Math.pow(10, -digits) && value !== 0 ? value.toExponential(1) : value.toFixed(digits);

function describe() {
  const frame = shot.frames[state.index];
  byId("now").textContent = `Frame ${frame.frame}`;
  byId("reasons").replaceChildren(...frame.reasons.map((reason, place) => {
    const item = element("li", {}, reason);
    const crop = frame.crops[place];
    if (crop !== undefined) item.append(element("img", { src: shot.pictures[crop], alt: "the place: plate and alpha" }));
    return item;
  }));
  byId("figures").replaceChildren(...COLUMNS.flatMap((column) => [
    element("dt", {}, column.name),
    element("dd", {}, column.read(frame).map((value) => format(value, column.digits)).join(" ")),
  ]));
  byId("scrub").value = state.index;
  for (const button of byId("views").children) {
    button.setAttribute("aria-pressed", String(button.dataset.view === state.view));
  }
  for (const button of byId("bad").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.index) === state.index));
  }
  byId("against").value = state.against;
  byId("wipe").checked = state.wipe;
  byId("exposure").textContent = `${state.stops > 0 ? "+" : ""}${state.stops} stops`;
  byId("zoom").textContent = ["fit", "1 : 1", "2 : 1"][state.zoom];
  byId("play").textContent = state.playing ? "stop" : "play";
  for (const move of cursors) move();
}

function element(name, attributes, text) {
  const made = name.startsWith("svg:") ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4))
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// -- plots
let cursors = [];
const HEIGHT = 62, LEFT = 64, RIGHT = 14, TOP = 20, BOTTOM = 8;
// Narrower plots have no room for a title with its unit beside the value.
const WIDE = 640;
function plots() {
  const width = Math.max(300, byId("plots").clientWidth);
  const count = shot.frames.length;
  const x = (index) => LEFT + (count > 1 ? index / (count - 1) : 0.5) * (width - LEFT - RIGHT);
  cursors = [];
  byId("plots").replaceChildren(...COLUMNS.map((column) => plot(column, width, x)));
  for (const move of cursors) move();
}
function plot(column, width, x) {
  const rows = shot.frames.map(column.read);
  const isMeasured = rows.flat().some((value) => value !== null);
  const { low, high, digits } = column;
  const y = (value) => TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const svg = element("svg:svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img",
    "aria-label": `${column.title}: ${isMeasured ? `${format(low, digits)} to ${format(high, digits)}` : "no figures"}` });
  const step = shot.frames.length > 1 ? x(1) - x(0) : 20;
  shot.frames.forEach((frame, index) => {
    if (frame.reasons.length) {
      const wide = Math.max(3, Math.min(step, 14));
      svg.append(element("svg:rect", { class: "band", x: x(index) - wide / 2, y: 0, width: wide, height: HEIGHT }));
    }
  });
  for (const value of [low, high]) {
    svg.append(element("svg:line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
    if (isMeasured) {
      svg.append(element("svg:text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, format(value, digits)));
    }
  }
  svg.append(element("svg:text", { class: "title", x: LEFT, y: 13 }, width < WIDE ? column.name : column.title));
  if (!isMeasured) svg.append(element("svg:text", { x: LEFT + 8, y: HEIGHT - 20 }, column.missing));
  column.curves.forEach((name, index) => curve(svg, rows.map((row) => row[index]), name, x, y));
  shot.frames.forEach((frame, index) => {
    if (frame.reasons.length) {
      const at = x(index);
      const mark = element("svg:path", { class: "mark", d: `M${at - 5} 1h10l-5 8z` });
      mark.append(element("svg:title", {}, `frame ${frame.frame}: ${frame.reasons.join(" ")}`));
      svg.append(mark);
    }
  });
  const cursor = element("svg:line", { class: "cursor", y1: 0, y2: HEIGHT });
  const value = element("svg:text", { class: "value", y: 13 });
  svg.append(cursor, value);
  cursors.push(() => {
    cursor.setAttribute("x1", x(state.index));
    cursor.setAttribute("x2", x(state.index));
    value.textContent = rows[state.index].map((each) => format(each, digits)).join(" ");
    value.setAttribute("x", width - RIGHT);
    value.setAttribute("text-anchor", "end");
  });
  svg.addEventListener("pointerdown", (event) => {
    const box = svg.getBoundingClientRect();
    const part = (event.clientX - box.left - LEFT) / Math.max(1, box.width - LEFT - RIGHT);
    go(Math.round(part * (shot.frames.length - 1)));
  });
  return svg;
}
function curve(svg, values, name, x, y) {
  let path = "", open = false;
  values.forEach((value, index) => {
    const isKnown = value !== null;
    if (isKnown) path += `${open ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    if (isKnown && values.length <= 120) {
      svg.append(element("svg:circle", { class: `dot ${name}`, cx: x(index), cy: y(value), r: 2.2 }));
    }
    open = isKnown;
  });
  svg.append(element("svg:path", { class: `curve ${name}`, d: path }));
}

// -- moving through the shot
function change(values) {
  Object.assign(state, values);
  describe();
  // Once a pause comes: browsers refuse an address that changes with every frame that plays.
  clearTimeout(addressing);
  addressing = setTimeout(toAddress, 300);
  draw();
}
let addressing = 0;
function toAddress() {
  history.replaceState(null, "", `#frame=${shot.frames[state.index].frame}&view=${state.view}`
    + (state.wipe ? `&wipe=${state.against}&at=${state.at.toFixed(3)}` : ""));
}
function go(index) { change({ index: Math.min(Math.max(index, 0), shot.frames.length - 1) }); }
function nextBad(way) {
  const bad = shot.frames.map((frame, index) => frame.reasons.length ? index : -1).filter((index) => index >= 0);
  if (!bad.length) return;
  const on = way > 0 ? bad.find((index) => index > state.index) : bad.filter((index) => index < state.index).pop();
  go(on !== undefined ? on : way > 0 ? bad[0] : bad[bad.length - 1]);
}
let timer = 0;
function play(on) {
  clearInterval(timer);
  if (on) timer = setInterval(() => go((state.index + 1) % shot.frames.length), 1000 / shot.rate);
  change({ playing: on });
}
function fromAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const index = shot.frames.findIndex((frame) => String(frame.frame) === wanted.get("frame"));
  const named = (name) => VIEWS.some(([view]) => view === name) ? name : undefined;
  const found = { index: index < 0 ? 0 : index, view: named(wanted.get("view")) || state.view };
  if (named(wanted.get("wipe"))) Object.assign(found, { wipe: true, against: wanted.get("wipe") });
  if (wanted.has("at")) found.at = Math.min(Math.max(Number(wanted.get("at")) || 0, 0), 1);
  Object.assign(state, found);
}

const KEYS = {
  ArrowLeft: () => go(state.index - 1), ArrowRight: () => go(state.index + 1),
  Home: () => go(0), End: () => go(shot.frames.length - 1), " ": () => play(!state.playing),
  b: () => nextBad(1), B: () => nextBad(-1), w: () => change({ wipe: !state.wipe }),
  ",": () => change({ wipe: true, at: Math.max(0, state.at - 0.02) }),
  ".": () => change({ wipe: true, at: Math.min(1, state.at + 0.02) }),
  "-": () => change({ stops: Math.max(-6, state.stops - 0.5) }),
  "+": () => change({ stops: Math.min(6, state.stops + 0.5) }), "=": () => KEYS["+"](),
  z: () => change({ zoom: (state.zoom + 1) % 3 }),
};
VIEWS.forEach(([name], place) => { KEYS[String(place + 1)] = () => change({ view: name }); });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || /^(SELECT)$/.test(event.target.tagName)) return;
  if (event.key === " " && event.target.tagName === "BUTTON") return;
  const act = KEYS[event.key];
  if (act) { event.preventDefault(); act(); }
});

VIEWS.forEach(([name, label], place) => {
  const button = element("button", { "data-view": name, title: `${label} (${place + 1})` });
  button.append(element("small", {}, String(place + 1)), label);
  button.addEventListener("click", () => change({ view: name }));
  byId("views").append(button);
  byId("against").append(element("option", { value: name }, label));
});
byId("last-view").textContent = VIEWS.length;
byId("scrub").max = shot.frames.length - 1;
byId("scrub").addEventListener("input", (event) => go(Number(event.target.value)));
byId("wipe").addEventListener("change", (event) => change({ wipe: event.target.checked }));
byId("against").addEventListener("change", (event) => change({ against: event.target.value, wipe: true }));
byId("tint").addEventListener("input", () => change({ view: "colour" }));
byId("darker").addEventListener("click", KEYS["-"]);
byId("brighter").addEventListener("click", KEYS["+"]);
byId("zoom").addEventListener("click", KEYS.z);
byId("play").addEventListener("click", () => play(!state.playing));
byId("wipe-line").addEventListener("pointerdown", (event) => {
  const line = event.currentTarget;
  line.setPointerCapture(event.pointerId);
  line.onpointermove = (moved) => {
    const box = byId("picture").getBoundingClientRect();
    change({ at: Math.min(Math.max((moved.clientX - box.left) / box.width, 0), 1) });
  };
  line.onpointerup = () => { line.onpointermove = null; };
});
// The worst come first.
const badOnes = shot.frames.map((frame, index) => [frame, index]).filter(([frame]) => frame.reasons.length)
  .sort(([one], [other]) => other.severity - one.severity || one.frame - other.frame);
byId("bad").replaceChildren(...(badOnes.length ? badOnes.map(([frame, index]) => {
  const button = element("button", { "data-index": index, title: frame.reasons.join(" ") }, String(frame.frame));
  button.addEventListener("click", () => go(index));
  return button;
}) : [document.createTextNode("None stands out.")]));
byId("summary").textContent = `${shot.frames.length} ${shot.frames.length === 1 ? "frame" : "frames"}, `
  + `${badOnes.length || "none"} to look at. ${shot.note}`;
addEventListener("resize", () => { plots(); draw(); });
addEventListener("hashchange", () => { fromAddress(); describe(); draw(); });
fromAddress();
plots();
describe();
draw();
