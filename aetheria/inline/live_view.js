// The live view of a motor: draws the pictures that the kernel sends, and asks for the next one only while it is seen.
const ROWS = 256, SPEEDS = [1, 2, 5, 10, 30, 60, 120, 500, 2000];

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function fill(select, values) {
  select.replaceChildren(...values.map(([value, text, title]) => Object.assign(new Option(text, value), {title: title || ""})));
}

function table(hex) {
  return Uint8Array.from({length: 768}, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

function decode(message) {
  const length = message.getUint32(0, true), start = message.byteOffset + 4;
  const frame = JSON.parse(new TextDecoder().decode(new Uint8Array(message.buffer, start, length)));
  frame.pixels = new Uint8Array(message.buffer, start + length, message.byteLength - 4 - length);
  return frame;
}

function paint(pixels, channels, map, into) {
  for (let i = 0, o = 0; o < into.length; i += channels, o += 4) {
    const from = channels === 1 ? map : pixels, k = channels === 1 ? 3 * pixels[i] : i;
    into[o] = from[k]; into[o + 1] = from[k + 1]; into[o + 2] = from[k + 2]; into[o + 3] = 255;
  }
}

// A grid of one axis: one row a frame, time downwards.
class SpaceTime {
  rows = [];
  step = -1;
  add({step, width, channels, pixels}) {
    if (step < this.step || (this.rows.length && this.rows[0].length !== pixels.length)) this.rows = [];
    if (step === this.step) this.rows.pop();
    this.rows.push(pixels);
    this.step = step;
    if (this.rows.length > ROWS) this.rows.shift();
    const stacked = new Uint8Array(this.rows.length * width * channels);
    this.rows.forEach((row, y) => stacked.set(row, y * width * channels));
    return {height: this.rows.length, width, channels, pixels: stacked};
  }
}

function render({model, el}) {
  const viewer = Math.random().toString(36).slice(2);
  const play = element("button", {textContent: "Play", title: "Space"});
  const next = element("button", {textContent: "Step", title: "N"});
  const speed = element("select"), field = element("select"), layer = element("select"), universe = element("select");
  const layers = element("label", {hidden: true}, "Layer", layer);
  const universes = element("label", {hidden: true}, "Universe", universe);
  const picture = element("canvas", {className: "picture", width: 1, height: 1, tabIndex: 0, ariaLabel: "Picture of the cells"});
  const scale = element("canvas", {className: "scale", width: 256, height: 1, ariaLabel: "Colours from low to high"});
  const low = element("span"), high = element("span"), step = element("span", {className: "step"});
  const legend = element("label", {}, low, scale, high);
  const message = element("div", {className: "message", role: "status"});
  const bar = element("div", {className: "bar"}, play, next, element("label", {}, "Speed", speed),
    element("label", {}, "Field", field), layers, universes);
  el.append(element("div", {className: "aetheria-view"}, bar, picture, element("div", {className: "bar"}, legend, step), message));

  let run = null, paused = true, seen = false, unanswered = false, past = new SpaceTime();
  const send = (type, values = {}) => model.send({type, viewer, ...values});

  function told(content, buffers) {
    if (content.type === "frame") return shown(decode(buffers[0]));
    if (content.type === "welcome") welcome(content);
    else if (content.type === "status") status(content);
    else if (content.type === "error") message.textContent = content.message;
  }

  function welcome(content) {
    if (run) return;  // meant for another view of the same widget
    run = content;
    const {view, grid} = run;
    fill(field, run.fields.map(({name, meaning, unit}) => [name, name, unit === "1" ? meaning : `${meaning} [${unit}]`]));
    field.value = view.field;
    layers.hidden = grid.length < 3;
    if (grid.length === 3) {
      fill(layer, [["mean", "mean"], ["max", "max"], ...Array.from({length: grid[0]}, (_, z) => [String(z), "z = " + z])]);
      layer.value = String(view.slice ?? (grid[0] >> 1));
    }
    universes.hidden = run.universes < 2;
    fill(universe, Array.from({length: run.universes}, (_, u) => [String(u), String(u)]));
    universe.value = String(view.universe);
  }

  function status(content) {
    paused = content.paused;
    play.textContent = paused ? "Play" : "Pause";
    step.textContent = "step " + content.step.toLocaleString("en");
    const limits = [...new Set(content.speed ? [...SPEEDS, content.speed] : SPEEDS)].sort((a, b) => a - b);
    fill(speed, [...limits.map(limit => [String(limit), limit + " steps/s"]), ["", "no limit"]]);
    speed.value = content.speed ? String(content.speed) : "";
  }

  function shown(frame) {
    if (!run) return;
    unanswered = true;
    const kind = run.fields.find(({name}) => name === frame.field), map = table(run.colour_maps[kind.colour_map]);
    draw(run.grid.length === 1 ? past.add(frame) : frame, map);
    legend.hidden = frame.channels > 1;
    const unit = kind.unit === "1" ? "" : " " + kind.unit;
    low.textContent = Number(frame.levels[0].toPrecision(4));
    high.textContent = Number(frame.levels[1].toPrecision(4)) + unit;
    const line = new ImageData(256, 1);
    paint(Uint8Array.from({length: 256}, (_, i) => i), 1, map, line.data);
    scale.getContext("2d").putImageData(line, 0, 0);
    step.textContent = "step " + frame.step.toLocaleString("en");
    requestAnimationFrame(answer);
  }

  function draw({height, width, channels, pixels}, map) {
    const image = new ImageData(width, height);
    paint(pixels, channels, map, image.data);
    picture.width = width;
    picture.height = height;
    picture.getContext("2d").putImageData(image, 0, 0);
    picture.style.width = width * Math.max(1, Math.floor(run.size / Math.max(width, height))) + "px";
  }

  function answer() {
    if (seen && unanswered) {
      unanswered = false;
      send("ready");
    }
  }

  function choose() {
    const cut = layer.value;
    past = new SpaceTime();
    message.textContent = "";
    send("view", {field: field.value, universe: Number(universe.value), size: run.size,
                  slice: run.grid.length < 3 ? null : isNaN(cut) ? cut : Number(cut)});
  }

  const turn = () => { message.textContent = ""; send("pause", {paused: !paused}); };
  const one = () => { message.textContent = ""; send("step", {steps: 1}); };
  play.onclick = turn;
  next.onclick = one;
  speed.onchange = () => send("speed", {speed: Number(speed.value) || null});
  field.onchange = layer.onchange = universe.onchange = choose;
  picture.onkeydown = event => {
    const act = {" ": turn, n: one}[event.key.toLowerCase()];
    if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();  // the notebook has keys of its own
    act();
  };

  let inside = false;
  function look() {
    const now = inside && !document.hidden;
    if (now === seen) return;
    seen = now;
    if (!now) send("hidden");
    else if (!run) send("hello");
    else { unanswered = false; send("ready"); }
  }
  const observer = new IntersectionObserver(entries => { inside = entries.at(-1).isIntersecting; look(); });
  observer.observe(picture);
  document.addEventListener("visibilitychange", look);
  model.on("msg:custom", told);
  return () => {
    observer.disconnect();
    document.removeEventListener("visibilitychange", look);
    model.off("msg:custom", told);
    if (run) send("gone");
  };
}

export default {render};
