"use strict";
// One playhead for everything: lanes, mouth, readout and any <audio> on the page move it and follow it.
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const lanes = at("lanes"), cursor = at("cursor"), tip = at("tip"), scrub = at("scrub");
const percent = (p) => (p < 0.0005 ? "0 %" : p < 0.0995 ? (100 * p).toFixed(1) + " %" : Math.round(100 * p) + " %");
let frame = 0, playing = null;

// ---- heat maps: one byte a cell, painted at one pixel a cell and stretched by the style sheet
function bytes(text) { return Uint8Array.from(atob(text), (c) => c.charCodeAt(0)); }

function palette(name) {
  const style = getComputedStyle(document.documentElement);
  const paint = Object.assign(document.createElement("canvas"), { width: 256, height: 1 }).getContext("2d");
  const ramp = paint.createLinearGradient(0, 0, 256, 0);
  for (let k = 0; k < 5; k++) ramp.addColorStop(k / 4, style.getPropertyValue("--" + name + "-" + k).trim());
  paint.fillStyle = ramp;
  paint.fillRect(0, 0, 256, 1);
  return paint.getImageData(0, 0, 256, 1).data;
}

function draw(canvas) {
  const map = data.maps[canvas.dataset.map];
  map.cells = map.cells || bytes(map.data);
  const colours = palette(canvas.dataset.palette), rows = map.labels.length;
  const gamma = canvas.dataset.palette === "heat" ? 0.5 : 0.8;  // faint rivals of a token are worth seeing
  canvas.width = data.frames;
  canvas.height = rows;
  const paint = canvas.getContext("2d"), picture = paint.createImageData(data.frames, rows);
  map.cells.forEach((value, i) => {
    const shade = 4 * Math.round(255 * (value / 255) ** gamma);
    picture.data.set(colours.subarray(shade, shade + 4), 4 * i);
  });
  paint.putImageData(picture, 0, 0);
}

const canvases = [...document.querySelectorAll("canvas[data-map]")];
const drawAll = () => canvases.forEach(draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
drawAll();
const choice = at("attention-map");
if (choice) choice.addEventListener("change", () => {
  const canvas = at("attention");
  canvas.dataset.map = choice.value;
  draw(canvas);
});

// ---- the playhead
function show(next, follow = true) {
  frame = Math.max(0, Math.min(data.frames - 1, next));
  scrub.value = frame;
  const plot = lanes.querySelector(".plot");
  cursor.style.left = plot.offsetLeft + (frame + 0.5) / data.frames * plot.offsetWidth + "px";
  const scroll = lanes.parentElement, x = cursor.offsetLeft - scroll.scrollLeft;
  if (follow && (x < plot.offsetLeft || x > scroll.clientWidth)) scroll.scrollLeft += x - scroll.clientWidth / 2;
  const column = frame % data.sprite[0], row = Math.floor(frame / data.sprite[0]);
  const place = (k, n) => (n > 1 ? 100 * k / (n - 1) : 0) + "%";
  at("mouth").style.backgroundPosition = place(column, data.sprite[0]) + " " + place(row, data.sprite[1]);
  at("time").textContent = data.times[frame].toFixed(2) + " s";
  at("frame").textContent = "frame " + (data.first + frame);
  const word = data.words.find((w) => w.from <= frame + 0.5 && frame + 0.5 < w.to);
  at("word").textContent = word ? word.word + " " + percent(word.confidence) : "";
  at("top").replaceChildren(...data.top[frame].filter(([, p]) => p >= 0.001).map(([label, p]) => {
    const item = document.createElement("li");
    const [name, bar, number] = ["b", "i", "span"].map((tag) => item.appendChild(document.createElement(tag)));
    name.textContent = label;
    bar.style.width = 100 * p + "%";
    number.textContent = percent(p);
    return item;
  }));
}

function play(on) {
  if (playing) cancelAnimationFrame(playing);
  playing = null;
  at("play").textContent = on ? "Pause" : "Play";
  if (!on) return;
  let begun = null, from = frame >= data.frames - 1 ? 0 : frame;
  const tick = (now) => {
    begun = begun === null ? now : begun;
    const next = from + Math.floor((now - begun) / 1000 * data.fps * (at("slow").checked ? 0.25 : 1));
    show(next);
    if (next < data.frames - 1) playing = requestAnimationFrame(tick); else play(false);
  };
  playing = requestAnimationFrame(tick);
}

at("play").addEventListener("click", () => play(!playing));
at("slow").addEventListener("change", () => { if (playing) play(true); });
scrub.addEventListener("input", () => { play(false); show(+scrub.value); });
document.querySelectorAll("[data-frame]").forEach((e) => e.addEventListener("click", () => show(+e.dataset.frame)));
const sounds = [...document.querySelectorAll("audio")];
sounds.forEach((sound) => {
  const follow = () => {
    show(Math.floor(sound.currentTime * data.fps));
    if (!sound.paused) requestAnimationFrame(follow);
  };
  ["play", "seeked"].forEach((name) => sound.addEventListener(name, () => { play(false); follow(); }));
  sound.addEventListener("play", () => sounds.filter((other) => other !== sound).forEach((other) => other.pause()));
});

// ---- hover and touch
function numbers(event, column) {
  const canvas = event.target.closest("canvas[data-map]"), word = event.target.closest("[data-tip]");
  if (!canvas) return word ? word.dataset.tip : "";
  const map = data.maps[canvas.dataset.map], box = canvas.getBoundingClientRect(), rows = map.labels.length;
  const row = Math.max(0, Math.min(rows - 1, Math.floor((event.clientY - box.top) / box.height * rows)));
  const value = map.cells[row * data.frames + column] / 255 * map.peak;
  return map.labels[row] + "  " + percent(value) + "  at " + data.times[column].toFixed(2) + " s";
}

lanes.addEventListener("pointermove", (event) => {
  const box = lanes.querySelector(".plot").getBoundingClientRect();
  const column = Math.floor((event.clientX - box.left) / box.width * data.frames);
  if (column < 0 || column >= data.frames) { tip.hidden = true; return; }
  if (!playing) show(column, false);
  tip.textContent = numbers(event, column);
  tip.hidden = !tip.textContent;
  tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + "px";
  tip.style.top = Math.max(4, event.clientY - 34) + "px";
});
lanes.addEventListener("pointerleave", () => { tip.hidden = true; });
addEventListener("resize", () => show(frame));
show(data.start);
