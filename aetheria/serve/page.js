"use strict";
const VERSION = 2, ROWS = 512, POINTS = 2000, APART_MS = 100, EDITED_MS = 1500;
const at = name => document.getElementById(name);
let socket, run, last = null, status = {}, ended = false, series = [], received = 0, frames = [], colours = {}, rows = null;
let editsAsked = null;  // what the status said of the edits when the list was asked for
const latest = {}, inputs = {};  // messages that wait for their turn, and the inputs of each parameter

function say(text) { at("message").textContent = text; }
function send(type, values) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({type, ...values}));
}
function sendLatest(name, type, values) {  // of what changes all the time, no more than the server takes
  const one = latest[name] ||= {at: -Infinity, timer: 0};
  one.values = values; one.edited = performance.now();
  one.timer ||= setTimeout(() => { one.timer = 0; one.at = performance.now(); send(type, one.values); },
                           Math.max(0, one.at + APART_MS - performance.now()));
}
const justEdited = name => latest[name] && (latest[name].timer || performance.now() - latest[name].edited < EDITED_MS);
function can(command) { return !!run && run.commands.includes(command); }

function connect() {
  const token = decodeURIComponent(location.hash.slice(1));
  if (!token) { at("status").textContent = "not connected"; return say("The address lacks its token: use the one that the server printed."); }
  socket = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") + location.host + "/ws");
  socket.binaryType = "arraybuffer";
  socket.onopen = () => send("hello", {version: VERSION, token});
  socket.onmessage = event => typeof event.data === "string" ? told(JSON.parse(event.data)) : shown(event.data);
  socket.onclose = event => {
    at("status").textContent = ended ? "the run has ended" : "not connected";
    if (event.reason) say(event.reason); else if (!ended) say("The connection is closed. Reload the page to try again.");
  };
}

function told(message) {
  if (message.type === "welcome") welcome(message);
  else if (message.type === "status") { status = message; showStatus(); }
  else if (message.type === "ended") { ended = true; status = message; showStatus(); }
  else if (message.type === "edits") showEdits(message.lines);
  else if (message.type === "error") {
    say(message.message);
    if (message.command === "control") { for (const name in inputs) if (latest[name]) latest[name].edited = 0; showControls(true); }
  }
}

function fill(select, values) {
  select.replaceChildren(...values.map(([value, text, title]) => Object.assign(new Option(text, value), {title: title || ""})));
}

function welcome(message) {
  run = message;
  for (const [name, hex] of Object.entries(run.colour_maps)) {
    const table = new Uint8Array(768);
    for (let i = 0; i < 768; i++) table[i] = parseInt(hex.substr(2 * i, 2), 16);
    colours[name] = table;
  }
  document.title = run.title + " - Aetheria";
  at("title").textContent = run.title + " · " + run.grid.join(" × ");
  fill(at("field"), run.fields.map(field => [field.name, field.name, field.meaning + " [" + field.unit + "]"]));
  fill(at("colours"), [["", "of the field"], ...Object.keys(colours).filter(name => name[0] !== "#").sort().map(name => [name, name])]);
  fill(at("observable"), [["", "none"], ...run.observables.map(name => [name, name])]);
  at("reset").hidden = !can("restart");
  for (const name of ["pause", "step"]) at(name).hidden = !can(name);
  at("speed_label").hidden = !can("speed");
  at("seek_label").hidden = !can("seek");
  at("universe_label").hidden = run.universes < 2;
  at("universe").max = run.universes - 1;
  if (run.grid.length === 3) {
    at("slice_label").hidden = false;
    const layers = Array.from({length: run.grid[0]}, (_, z) => [String(z), "z = " + z]);
    fill(at("slice"), [["mean", "mean"], ["max", "max"], ...layers]);
    at("slice").value = String(run.grid[0] >> 1);
  }
  makeControls();
  at("observable").value = ["population", "mass"].find(name => run.observables.includes(name)) || "";
  view();
}

function element(kind, values) { return Object.assign(document.createElement(kind), values); }

function makeControls() {
  const allowed = can("control");
  at("parameters").hidden = !run.controls.length;
  at("fixed").hidden = allowed;
  at("edits").hidden = !can("edits");
  at("law").hidden = !run.controls.length && !can("edits");
  togglePanel(run.controls.length > 0 && innerWidth > 720);
  at("controls").replaceChildren(...run.controls.map(control => {
    const row = element("div", {className: "control"}), id = "control_" + control.name, number = control.low !== null;
    const field = element("input", {id, type: number ? "number" : "text", step: "any", className: number ? "" : "text",
                                    disabled: !allowed, autocomplete: "off", spellcheck: false});
    const set = value => { say(""); sendLatest(control.name, "control", {name: control.name, value}); };
    inputs[control.name] = [field];
    field.onchange = () => {
      if (!number) return set(field.value.trim());
      if (field.value !== "" && isFinite(field.valueAsNumber)) { set(field.valueAsNumber); showSlider(control.name, field.valueAsNumber); }
    };
    row.append(element("label", {textContent: control.name, htmlFor: id}), field);
    if (number) {
      const slider = element("input", {id: id + "_slider", type: "range", min: control.low, max: control.high, disabled: !allowed,
                                       step: (control.high - control.low) / 1000, ariaLabel: control.name});
      slider.oninput = () => { field.value = Number(slider.valueAsNumber.toPrecision(6)); set(field.valueAsNumber); };
      inputs[control.name].push(slider);
      row.append(slider);
    }
    row.append(element("p", {textContent: control.meaning}));
    return row;
  }));
}

function showSlider(name, value) { if (inputs[name][1]) inputs[name][1].value = value; }

function showControls(all = false) {
  for (const [name, [field]] of Object.entries(inputs)) {
    const value = (status.controls || {})[name];
    if (!all && (justEdited(name) || document.activeElement === field)) continue;
    if (Array.isArray(value)) { field.placeholder = "differs by universe"; continue; }
    field.value = value === undefined || value === null ? "" : typeof value === "number" ? Number(value.toPrecision(7)) : value;
    showSlider(name, value);
  }
}

function togglePanel(open) {
  at("panel").hidden = !open;
  at("law").setAttribute("aria-expanded", open);
  draw(); askEdits();
}

function askEdits() {
  if (!can("edits") || at("panel").hidden || !at("edits").open || status.edits === editsAsked) return;
  editsAsked = status.edits;
  sendLatest(" edits", "edits", {});
}

function showEdits(lines) {
  const panel = at("panel"), atEnd = panel.scrollTop + panel.clientHeight > panel.scrollHeight - 8;
  at("edit_lines").replaceChildren(...(lines.length ? lines : ["none yet"]).map(line => element("li", {textContent: line})));
  if (atEnd) panel.scrollTop = panel.scrollHeight;
}

function view() {
  if (!run) return;
  const cut = at("slice").value, chosen = at("observable").value;
  series = []; rows = null; say("");
  at("plot").hidden = !chosen;
  send("view", {field: at("field").value, universe: Number(at("universe").value) || 0, observables: chosen ? [chosen] : [],
                size: Math.min(1024, Math.max(128, Math.round(Math.max(at("stage").clientWidth, at("stage").clientHeight) * devicePixelRatio))),
                slice: run.grid.length < 3 ? null : cut === "mean" || cut === "max" ? cut : Number(cut)});
}

function shown(buffer) {
  received += buffer.byteLength;
  const now = performance.now();
  frames = [...frames.filter(time => time > now - 2000), now];
  const length = new DataView(buffer).getUint32(0, true);
  last = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  last.pixels = new Uint8Array(buffer, 4 + length);
  const value = last.observables[at("observable").value];
  if (value !== undefined && value !== null) {
    if (series.length && series.at(-1)[0] > last.step) series = [];
    series.push([last.step, value]);
    if (series.length > POINTS) series = series.filter((_, i) => i % 2);  // the whole course, half as fine
  }
  draw(); showStatus();
}

function table() {
  const field = run.fields.find(field => field.name === last.field);
  return colours[at("colours").value] || colours[field ? field.colour_map : "ember"] || colours.ember;
}

function paint(pixels, channels, into) {
  const map = channels === 1 ? table() : null;
  for (let i = 0, o = 0; o < into.length; i += channels, o += 4) {
    const from = map || pixels, k = map ? 3 * pixels[i] : i;
    into[o] = from[k]; into[o + 1] = from[k + 1]; into[o + 2] = from[k + 2]; into[o + 3] = 255;
  }
}

function draw() {
  if (!last) return;
  let {height, width, channels, pixels} = last;
  if (run.grid.length === 1) {  // one row a frame, time downwards
    rows = rows && rows.width === width && rows.channels === channels ? rows : {width, channels, step: -1, list: []};
    if (last.step < rows.step) rows.list = [];
    if (last.step !== rows.step) { rows.list.push(pixels); rows.step = last.step; }
    if (rows.list.length > ROWS) rows.list.shift();
    height = rows.list.length; pixels = new Uint8Array(height * width * channels);
    rows.list.forEach((row, y) => pixels.set(row, y * width * channels));
  }
  const canvas = at("picture"), stage = at("stage");
  canvas.width = width; canvas.height = height;
  const image = new ImageData(width, height);
  paint(pixels, channels, image.data);
  canvas.getContext("2d").putImageData(image, 0, 0);
  const scale = Math.min((stage.clientWidth - 16) / width, (stage.clientHeight - 16) / height);
  canvas.style.width = width * scale + "px"; canvas.style.height = height * scale + "px";
  plot();
}

function plot() {
  const canvas = at("plot");
  if (canvas.hidden) return;
  const ratio = devicePixelRatio, width = canvas.clientWidth, height = canvas.clientHeight, pen = canvas.getContext("2d");
  canvas.width = width * ratio; canvas.height = height * ratio; pen.scale(ratio, ratio);
  const style = getComputedStyle(document.body);
  pen.fillStyle = style.color; pen.strokeStyle = style.getPropertyValue("color"); pen.font = "12px system-ui, sans-serif";
  if (!series.length) return;
  let low = Infinity, high = -Infinity;
  for (const [, value] of series) { low = Math.min(low, value); high = Math.max(high, value); }
  const first = series[0][0], span = Math.max(1, series.at(-1)[0] - first), rise = high - low || 1, left = 90;
  pen.beginPath();
  series.forEach(([step, value], i) => {
    const x = left + (step - first) / span * (width - left - 14), y = height - 24 - (value - low) / rise * (height - 40);
    i ? pen.lineTo(x, y) : pen.moveTo(x, y);
  });
  pen.stroke();
  pen.textAlign = "right";
  pen.fillText(high.toPrecision(5), left - 8, 20); pen.fillText(low.toPrecision(5), left - 8, height - 22);
  pen.fillText("step " + series.at(-1)[0].toLocaleString("en"), width - 14, height - 6);
  pen.textAlign = "left";
  pen.fillText(at("observable").value + " from step " + first.toLocaleString("en"), left, height - 6);
}

function showStatus() {
  const step = last ? last.step : status.step || 0, words = ["step " + step.toLocaleString("en")];
  if (ended) words.push("the run has ended"); else if (status.paused) words.push("paused");
  if (frames.length > 1) words.push((frames.length / 2).toFixed(0) + " frames/s");
  words.push((received / 1e6).toFixed(1) + " MB received");
  at("status").textContent = words.join(" · ");
  at("pause").textContent = status.paused ? "Go on" : "Pause";
  showControls(); askEdits();
  if (document.activeElement !== at("speed")) at("speed").value = status.speed || "";
  if (status.frames) { at("seek").max = status.frames - 1; if (document.activeElement !== at("seek")) at("seek").value = status.frame; }
}

function turn(name, by = 1) {
  const select = at(name), count = select.options.length;
  if (!count) return;
  select.selectedIndex = (select.selectedIndex + by + count) % count;
  select.dispatchEvent(new Event("change"));
}
const pause = () => can("pause") && send("pause", {paused: !status.paused});
const step = () => can("step") && send("step", {steps: 1});
const speed = value => can("speed") && send("speed", {speed: value > 0 ? value : null});
const reset = () => { if (can("restart")) { say(""); send("restart", {}); } };

at("reset").onclick = reset;
at("pause").onclick = pause;
at("step").onclick = step;
at("speed").onchange = () => speed(Number(at("speed").value));
at("seek").oninput = () => sendLatest(" seek", "seek", {frame: Number(at("seek").value)});
at("edits").ontoggle = askEdits;
at("law").onclick = () => togglePanel(at("panel").hidden);
for (const name of ["field", "observable", "slice", "universe"]) at(name).onchange = view;
at("colours").onchange = draw;
onresize = draw;
onhashchange = () => location.reload();
onkeydown = event => {
  if (event.ctrlKey && event.key === "Backspace" && event.target.tagName !== "INPUT" && !event.repeat) return reset();
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.tagName === "INPUT") return;
  const keys = {" ": pause, n: step, f: () => turn("field"), c: () => turn("colours"), o: () => turn("observable"),
                p: () => !at("law").hidden && togglePanel(at("panel").hidden),
                "[": () => turn("slice", -1), "]": () => turn("slice"),
                "+": () => speed((status.speed || 8) * 2), "-": () => speed((status.speed || 32) / 2)};
  const act = keys[event.key.toLowerCase()];
  if (act) { event.preventDefault(); act(); }
};
connect();
