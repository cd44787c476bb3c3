// The gallery of a result: filters and thumbnails, and a viewer that paints the classes.
//
// Data come as scripts, because a page from file:// may not fetch: index.js calls galleryIndex,
// rows-N.js galleryRows, and every label map galleryLabels. Text reaches the page only as text.
"use strict";

const THUMBNAIL = 1, LABELS = 2, LINK = 4, PREVIEW = 8, TILES = 16, LABEL_TILES = 32, BROKEN = 64, FAILED = 128;
const PER_FOLDER = 1000, TILE = 512, KEPT_TILES = 200;
const $ = (id) => document.getElementById(id);

let index = null; // what index.js has
const rows = []; // of every image: data set, name, width, height, counts, bits, problem, and url if not by name
let view = []; // numbers of the rows that the filters leave, in order
let page = 0;
let wanted = 0; // number of files of rows that were asked for

// ------------------------------------------------------------------ data

function loadScript(url, failed) {
  const script = document.createElement("script");
  script.src = url;
  script.onload = () => script.remove();
  script.onerror = () => { script.remove(); if (failed) failed(); };
  document.head.append(script);
}

function galleryIndex(found) {
  index = found;
  fillFilters();
  fillLegend();
  fillClasses();
  wantRows();
}

function wantRows() {
  if (wanted < index.chunks) {
    loadScript(`data/rows-${wanted}.js`, () => { $("status").textContent = "A file of the gallery is missing."; });
    wanted += 1;
  } else {
    refresh();
  }
}

function galleryRows(number, found) {
  for (const row of found) rows.push(row);
  if (number === 0 || wanted === index.chunks) refresh(); // the first page need not wait for all
  wantRows();
}

const has = (row, bit) => (row[5] & bit) !== 0;
const folderOf = (number) => `items/${Math.floor(number / PER_FOLDER)}/${number}`;
const sum = (counts, offset) => { let all = 0; for (let i = offset; i < counts.length; i += 3) all += counts[i]; return all; };
const objectsOf = (row) => sum(row[4], 1);
const shareOf = (row) => (row[2] && row[3] ? sum(row[4], 2) / (row[2] * row[3]) : 0);
const isEmpty = (row) => !has(row, FAILED) && sum(row[4], 2) === 0;
const percent = (share) => `${(100 * share).toFixed(share && share < 0.01 ? 2 : 1)} %`;
const nameOf = (row) => row[1] || `all of ${index.datasets[row[0]].name}`;

function hasClass(row, number) {
  for (let i = 0; i < row[4].length; i += 3) if (row[4][i] === number) return true;
  return false;
}

// ------------------------------------------------------------------ filters, legend, grid

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function swatch(color) {
  const made = element("span", { className: "swatch" });
  made.style.background = color;
  return made;
}

function fillFilters() {
  index.datasets.forEach((dataset, number) => $("dataset").append(element("option", { value: number, textContent: dataset.name })));
}

function fillLegend() {
  if (!$("legend")) return;
  const body = $("legend").tBodies[0];
  index.classes.forEach(([title, color, objects, images, pixels], number) => {
    const select = element("select", { ariaLabel: `images with or without ${title}` });
    for (const how of ["any", "with", "without"]) select.append(element("option", { value: how, textContent: how }));
    select.dataset.number = number;
    const share = index.canvas ? pixels / index.canvas : 0;
    const row = body.insertRow();
    row.append(element("td", {}, swatch(color), title));
    for (const text of [objects.toLocaleString("en"), images.toLocaleString("en"), percent(share)]) row.append(element("td", { textContent: text }));
    row.append(element("td", {}, select));
  });
}

function passes() {
  const name = $("search").value.toLowerCase(), dataset = $("dataset").value, show = $("show").value;
  const selects = [...document.querySelectorAll("#legend select")].filter((each) => each.value !== "any");
  const classes = selects.map((each) => [Number(each.dataset.number), each.value === "with"]);
  return (row) =>
    (!name || row[1].toLowerCase().includes(name)) &&
    (dataset === "" || row[0] === Number(dataset)) &&
    (show !== "failed" || has(row, FAILED)) &&
    (show !== "empty" || isEmpty(row)) &&
    (show !== "broken" || has(row, BROKEN)) &&
    classes.every(([number, is]) => hasClass(row, number) === is);
}

function refresh() {
  const test = passes();
  view = [];
  rows.forEach((row, number) => { if (test(row)) view.push(number); });
  const key = { share: shareOf, objects: objectsOf }[$("sort").value];
  const sign = $("descending").checked ? -1 : 1;
  if (key) {
    const keys = new Map(view.map((number) => [number, key(rows[number])]));
    view.sort((a, b) => sign * (keys.get(a) - keys.get(b)) || a - b);
  } else if ($("sort").value === "name") {
    view.sort((a, b) => sign * (rows[a][1] < rows[b][1] ? -1 : rows[a][1] > rows[b][1] ? 1 : a - b));
  } else if (sign < 0) {
    view.reverse();
  }
  page = 0;
  showPage();
}

function showPage() {
  const pages = Math.max(1, Math.ceil(view.length / index.perPage));
  const first = page * index.perPage;
  $("grid").replaceChildren(...view.slice(first, first + index.perPage).map(tile));
  for (const pager of document.querySelectorAll(".pager")) {
    pager.hidden = pages === 1;
    pager.querySelector("span").textContent = `page ${page + 1} of ${pages}`;
    pager.querySelector("[data-step='-1']").disabled = page === 0;
    pager.querySelector("[data-step='1']").disabled = page === pages - 1;
  }
  const loading = rows.length < index.items ? `; ${rows.length} of ${index.items} are loaded` : "";
  $("status").textContent = `${view.length.toLocaleString("en")} of ${index.items.toLocaleString("en")} images${loading}`;
}

function tile(number) {
  const row = rows[number];
  const button = element("button", { type: "button", className: "tile" });
  if (has(row, THUMBNAIL)) {
    button.append(element("img", { loading: "lazy", decoding: "async", alt: "", src: `${folderOf(number)}.jpg` }));
  } else {
    button.append(element("span", { className: "nothing", textContent: row[6] || "no picture" }));
  }
  const problem = has(row, FAILED) ? "failed" : has(row, BROKEN) ? "cannot be shown as a whole" : "";
  if (problem) button.classList.add("bad");
  const facts = problem || `${percent(shareOf(row))} painted, ${objectsOf(row)} objects`;
  button.append(element("span", { className: "facts" }, element("b", { textContent: nameOf(row) }), element("i", { textContent: facts })));
  button.title = nameOf(row);
  button.dataset.number = number;
  return element("li", {}, button);
}

$("filter-box").open = matchMedia("(min-width: 48rem)").matches; // a phone shows images first
$("grid").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) openViewer(Number(button.dataset.number));
});
$("filters").addEventListener("input", refresh);
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("reset", () => setTimeout(refresh));
for (const pager of document.querySelectorAll(".pager")) {
  pager.addEventListener("click", (event) => {
    const step = Number(event.target.dataset.step);
    if (!step) return;
    page += step;
    showPage();
    $("images").scrollIntoView();
    $("images").focus();
  });
}

// ------------------------------------------------------------------ label maps

const labelMaps = new Map(); // by key: a promise of { width, height, values }
const waiting = new Map(); // by key: what to call with the base64 of a PNG, or null

function galleryLabels(key, png) {
  const settle = waiting.get(key);
  waiting.delete(key);
  if (settle) settle(png);
}

function labelMap(key) {
  if (!labelMaps.has(key)) {
    if (labelMaps.size >= KEPT_TILES) labelMaps.delete(labelMaps.keys().next().value);
    labelMaps.set(key, new Promise((settle) => {
      waiting.set(key, settle);
      loadScript(`${key}.js`, () => galleryLabels(key, null));
    }).then((png) => png && decoded(png)));
  }
  return labelMaps.get(key);
}

async function decoded(png) {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = element("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  const isWide = index.values.some(([value]) => value > 255); // then green has the upper part
  const values = new Uint16Array(pixels.length);
  const mask = isWide ? 0xffff : 0xff;
  for (let i = 0; i < pixels.length; i += 1) values[i] = pixels[i] & mask;
  return { width: canvas.width, height: canvas.height, values };
}

// Colour of every value as a pixel, RGBA from the lowest byte up; 0 where nothing is painted.
function colorsOfValues() {
  const opacity = has(rows[current], LINK | PREVIEW | TILES) ? $("opacity").value : 100;
  const alpha = Math.round(opacity * 255 / 100) << 24;
  const colors = new Uint32Array(1 << 16);
  for (const [value, classes] of index.values) {
    const shown = classes.find((number) => !hiddenClasses.has(number));
    if (shown === undefined) continue;
    const rgb = parseInt(index.classes[shown][1].slice(1), 16);
    colors[value] = alpha | ((rgb & 0xff) << 16) | (rgb & 0xff00) | (rgb >> 16);
  }
  return colors;
}

function paint(canvas, map, colors) {
  if (canvas.width !== map.width) { canvas.width = map.width; canvas.height = map.height; }
  const context = canvas.getContext("2d");
  const data = context.createImageData(map.width, map.height);
  const pixels = new Uint32Array(data.data.buffer);
  for (let i = 0; i < pixels.length; i += 1) pixels[i] = colors[map.values[i]];
  context.putImageData(data, 0, 0);
}

let isPainting = false;
function repaint() {
  if (isPainting) return;
  isPainting = true;
  requestAnimationFrame(() => {
    isPainting = false;
    const colors = colorsOfValues();
    for (const { canvas, map } of tiles.values()) if (canvas && map) paint(canvas, map, colors);
  });
}

// ------------------------------------------------------------------ the viewer

const hiddenClasses = new Set();
const tiles = new Map(); // by key: what is on the sheet, { image, canvas, map }
let current = -1; // number of the row that is looked at
let scale = 1, left = 0, top_ = 0; // of the sheet on the stage

function fillClasses() {
  index.classes.forEach(([title, color], number) => {
    const box = element("input", { type: "checkbox", checked: true, value: number });
    $("shown").append(element("label", {}, box, " ", swatch(color), title));
  });
  $("shown").hidden = index.classes.length === 0;
}

$("shown").addEventListener("change", (event) => {
  const number = Number(event.target.value);
  if (event.target.checked) hiddenClasses.delete(number); else hiddenClasses.add(number);
  repaint();
});

function openViewer(number) {
  current = number;
  const row = rows[number];
  $("viewer-name").textContent = nameOf(row);
  const facts = [`${view.indexOf(number) + 1} of ${view.length}`, index.datasets[row[0]].name];
  if (row[2]) facts.push(`${row[2]} × ${row[3]} pixels`);
  for (let i = 0; i < row[4].length; i += 3) {
    const [title] = index.classes[row[4][i]];
    facts.push(`${title}: ${row[4][i + 1]} objects, ${percent(row[4][i + 2] / (row[2] * row[3]))}`);
  }
  if (row[6]) facts.push(row[6]);
  $("viewer-facts").textContent = facts.join(" · ");
  clearSheet();
  if (!$("viewer").open) $("viewer").showModal();
  $("stage").focus();
  fit();
  swipe();
}

function clearSheet() {
  tiles.clear();
  $("below").replaceChildren();
  $("over").replaceChildren();
}

function originalUrl(row, number) {
  if (has(row, LINK)) return `${index.datasets[row[0]].url}/${row[7] || `img/${encodeURIComponent(row[1])}`}`;
  return has(row, PREVIEW) ? `${folderOf(number)}-original.jpg` : null;
}

// The tiles of a level that the stage shows; a picture that is not large is one tile.
function* visibleTiles(row) {
  const [width, height] = [row[2], row[3]];
  if (!has(row, TILES | LABEL_TILES)) {
    yield { key: "whole", x: 0, y: 0, width, height };
    return;
  }
  const last = Math.ceil(Math.log2(Math.max(1, Math.max(width, height) / TILE)));
  const level = Math.min(last, Math.max(0, last + Math.ceil(Math.log2(Math.min(1, scale)))));
  const side = TILE * 2 ** (last - level); // in pixels of the whole
  const begin = (offset) => Math.max(0, Math.floor(-offset / scale / side));
  const end = (offset, room, size) => Math.min(Math.ceil(size / side), Math.ceil((room - offset) / scale / side));
  for (let y = begin(top_); y < end(top_, $("stage").clientHeight, height); y += 1) {
    for (let x = begin(left); x < end(left, $("stage").clientWidth, width); x += 1) {
      const size = (at, all) => Math.min(side, all - at * side);
      yield { key: `${level}/${x}_${y}`, x: x * side, y: y * side, width: size(x, width), height: size(y, height) };
    }
  }
}

function showTiles() {
  const number = current, row = rows[number];
  if (!row[2]) return;
  const seen = new Set();
  for (const { key, ...box } of visibleTiles(row)) {
    seen.add(key);
    if (tiles.has(key)) continue;
    const found = { image: null, canvas: null, map: null };
    tiles.set(key, found);
    const url = key === "whole" ? originalUrl(row, number) : has(row, TILES) ? `${folderOf(number)}-original/${key}.jpg` : null;
    const labels = key === "whole" ? has(row, LABELS) && folderOf(number) : has(row, LABEL_TILES) && `${folderOf(number)}-labels/${key}`;
    if (url) {
      found.image = place(element("img", { alt: "", draggable: false, src: url }), box);
      $("below").append(found.image);
    }
    if (labels) {
      found.canvas = place(element("canvas", {}), box);
      $("over").append(found.canvas);
      labelMap(labels).then((map) => {
        if (!map || tiles.get(key) !== found) return; // another image is looked at by now
        found.map = map;
        paint(found.canvas, map, colorsOfValues());
      });
    }
  }
  for (const [key, found] of tiles) {
    if (seen.has(key)) continue;
    if (found.image) found.image.remove();
    if (found.canvas) found.canvas.remove();
    tiles.delete(key);
  }
}

function place(made, { x, y, width, height }) {
  Object.assign(made.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
  return made;
}

function move() {
  const row = rows[current];
  const sheet = $("sheet");
  Object.assign(sheet.style, { width: `${row[2]}px`, height: `${row[3]}px`, transform: `translate(${left}px, ${top_}px) scale(${scale})` });
  sheet.classList.toggle("pixels", scale >= 2);
  $("divider").style.borderLeftWidth = `${2 / scale}px`;
  $("zoom").textContent = row[2] ? `${Math.round(100 * scale)} %` : "";
  showTiles();
}

function fit() {
  const [width, height] = [rows[current][2] || 1, rows[current][3] || 1];
  const stage = $("stage");
  scale = Math.min(stage.clientWidth / width, stage.clientHeight / height, 8);
  left = (stage.clientWidth - width * scale) / 2;
  top_ = (stage.clientHeight - height * scale) / 2;
  move();
}

// Zoom so that the point at x, y of the stage stays where it is.
function zoomTo(next, x = $("stage").clientWidth / 2, y = $("stage").clientHeight / 2) {
  next = Math.min(64, Math.max(0.005, next));
  left = x - ((x - left) / scale) * next;
  top_ = y - ((y - top_) / scale) * next;
  scale = next;
  move();
}

// Left of the divider is the original, right of it the classes.
function swipe() {
  const at = $("swipe").value;
  $("over").style.clipPath = `inset(0 0 0 ${at}%)`;
  $("divider").hidden = at === "0" || at === "100";
  $("divider").style.left = `${at}%`;
}

function step(by) {
  const next = view[view.indexOf(current) + by];
  if (next !== undefined) openViewer(next);
}

function change(id, by) {
  $(id).value = Number($(id).value) + by;
  (id === "swipe" ? swipe : repaint)();
}

function toggleMask() {
  const isAlone = $("sheet").classList.toggle("alone");
  document.querySelector("[data-do=mask]").setAttribute("aria-pressed", isAlone);
}

function toggleAll() {
  const boxes = [...$("shown").querySelectorAll("input")];
  const on = boxes.some((box) => !box.checked);
  for (const box of boxes) {
    box.checked = on;
    if (on) hiddenClasses.delete(Number(box.value)); else hiddenClasses.add(Number(box.value));
  }
  repaint();
}

const actions = {
  previous: () => step(-1), next: () => step(1), close: () => $("viewer").close(),
  in: () => zoomTo(scale * 1.5), out: () => zoomTo(scale / 1.5), fit, pixels: () => zoomTo(1),
  mask: toggleMask, all: toggleAll,
};
const keys = {
  ArrowLeft: actions.previous, ArrowRight: actions.next, "+": actions.in, "=": actions.in, "-": actions.out,
  0: fit, 1: actions.pixels, m: toggleMask, a: toggleAll,
  "[": () => change("opacity", -10), "]": () => change("opacity", 10),
  "{": () => change("swipe", -10), "}": () => change("swipe", 10),
};

$("viewer").addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button) actions[button.dataset.do]();
});
$("viewer").addEventListener("keydown", (event) => {
  const isSlider = event.target.type === "range" && event.key.startsWith("Arrow");
  if (isSlider || event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});
$("viewer").addEventListener("close", () => {
  clearSheet();
  const button = document.querySelector(`#grid [data-number="${current}"]`);
  if (button) button.focus();
});
$("opacity").addEventListener("input", repaint);
$("swipe").addEventListener("input", swipe);
window.addEventListener("resize", () => { if ($("viewer").open) fit(); });

// Dragging moves the sheet, two fingers or the wheel zoom.
const pointers = new Map();
$("stage").addEventListener("pointerdown", (event) => {
  $("stage").setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
});
$("stage").addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const others = [...pointers.values()].filter((each) => each !== before);
  pointers.set(event.pointerId, event);
  if (others.length) {
    const distance = (each) => Math.hypot(each.clientX - others[0].clientX, each.clientY - others[0].clientY);
    const box = $("stage").getBoundingClientRect();
    const ratio = distance(event) / Math.max(1, distance(before));
    zoomTo(scale * ratio, (event.clientX + others[0].clientX) / 2 - box.left, (event.clientY + others[0].clientY) / 2 - box.top);
  } else {
    left += event.clientX - before.clientX;
    top_ += event.clientY - before.clientY;
    move();
  }
});
for (const end of ["pointerup", "pointercancel"]) $("stage").addEventListener(end, (event) => pointers.delete(event.pointerId));
$("stage").addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = $("stage").getBoundingClientRect();
  zoomTo(scale * 1.0015 ** -event.deltaY, event.clientX - box.left, event.clientY - box.top);
}, { passive: false });
