"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const J = data.joints.length;
  const FPS = data.fps || 15;
  const REACH = 3; // colours end at 2^-3 and 2^3 times equal weights
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let clip, clipNumber = 0, frame = 0, playing = false, last = 0, owed = 0, fit = null, colours = {};

  const make = (tag, parent, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    parent.append(element);
    return element;
  };
  const percent = (share) => (share >= 0.9995 ? "100" : share < 0.0005 ? "< 0.1" : (100 * share).toFixed(1)) + " %";

  // --- colours -------------------------------------------------------------------------------------------------------------

  const parse = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["low", "mid", "high", "bone", "band", "ink", "soft", "accent"]) {
      colours[name] = style.getPropertyValue("--" + name).trim();
    }
  }
  const strength = (times) => Math.max(-REACH, Math.min(REACH, Math.log2(Math.max(times, 1e-6))));
  function colour(s) {
    const [from, to] = [parse(colours.mid), parse(s < 0 ? colours.low : colours.high)];
    const share = Math.abs(s) / REACH;
    return "rgb(" + from.map((c, i) => Math.round(c + (to[i] - c) * share)).join(",") + ")";
  }

  function sized(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const box = canvas.getBoundingClientRect();
    const [w, h] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, box.width, box.height);
    return [pen, box.width, box.height];
  }
  function drawRamp() {
    const [pen, w, h] = sized($("ramp"));
    const ramp = pen.createLinearGradient(0, 0, w, 0);
    for (let i = 0; i <= 12; i++) ramp.addColorStop(i / 12, colour(-REACH + (2 * REACH * i) / 12));
    pen.fillStyle = ramp;
    pen.fillRect(0, 0, w, h);
  }

  // --- skeletons: x is turned round, because it grows to the left of the picture in all formats; y is up, z away -----------

  function turned() {
    const angle = (Number($("turn").value) * Math.PI) / 180;
    return [Math.cos(angle), Math.sin(angle)];
  }
  function point(t, body, joint, [cos, sin]) {
    const i = 3 * ((t * clip.bodies + body) * J + joint);
    const [x, y, z] = [-clip.xyz[i] - clip.middle[0], clip.xyz[i + 1], clip.xyz[i + 2] - clip.middle[1]];
    return [x * cos + z * sin, y];
  }
  function present(t, body) {
    const start = 3 * (t * clip.bodies + body) * J;
    for (let i = start; i < start + 3 * J; i++) if (clip.xyz[i] !== 0) return true;
    return false;
  }
  function findMiddle() {
    const ends = [[Infinity, -Infinity], [Infinity, -Infinity]];
    for (let t = 0; t < clip.length; t++) for (let b = 0; b < clip.bodies; b++) if (present(t, b)) for (let j = 0; j < J; j++) {
      const i = 3 * ((t * clip.bodies + b) * J + j);
      [-clip.xyz[i], clip.xyz[i + 2]].forEach((value, k) => { ends[k] = [Math.min(ends[k][0], value), Math.max(ends[k][1], value)]; });
    }
    clip.middle = ends.map(([low, high]) => (low + high) / 2);
  }
  function findFit() {
    const turn = turned();
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let t = 0; t < clip.length; t++) for (let b = 0; b < clip.bodies; b++) if (present(t, b)) for (let j = 0; j < J; j++) {
      const [x, y] = point(t, b, j, turn);
      [left, right, low, high] = [Math.min(left, x), Math.max(right, x), Math.min(low, y), Math.max(high, y)];
    }
    fit = { x: (left + right) / 2, y: (low + high) / 2, w: right - left || 1, h: high - low || 1 };
  }

  function drawScene() {
    const [pen, w, h] = sized($("scene"));
    if (!fit) findFit();
    const room = 0.84;
    const scale = Math.min((room * w) / fit.w, (room * h) / fit.h);
    const turn = turned();
    const at = (b, j) => {
      const [x, y] = point(frame, b, j, turn);
      return [w / 2 + (x - fit.x) * scale, h / 2 - (y - fit.y) * scale];
    };
    for (let b = 0; b < clip.bodies; b++) {
      if (!present(frame, b)) continue;
      const places = data.joints.map((_, j) => at(b, j));
      pen.strokeStyle = colours.bone;
      pen.lineWidth = Math.max(2, w / 260);
      pen.lineCap = "round";
      pen.setLineDash(b ? [7, 5] : []);
      for (const [child, parent] of data.bones) {
        pen.beginPath();
        pen.moveTo(places[child][0], places[child][1]);
        pen.lineTo(places[parent][0], places[parent][1]);
        pen.stroke();
      }
      pen.setLineDash([]);
      const weights = data.joints.map((_, j) => (clip.alpha ? strength(clip.alpha[(frame * clip.bodies + b) * J + j] / 100) : -1));
      const order = weights.map((_, j) => j).sort((one, other) => weights[other] - weights[one]); // small ones stay in sight
      for (const j of order) {
        const s = weights[j];
        pen.beginPath();
        pen.arc(places[j][0], places[j][1], (w / 700 + 0.35) * (3.2 + 1.15 * (s + REACH)), 0, 2 * Math.PI);
        pen.fillStyle = clip.alpha ? colour(s) : colours.accent;
        pen.fill();
        pen.strokeStyle = colours.band;
        pen.lineWidth = 1.5;
        pen.stroke();
      }
    }
  }

  // --- attention over time -------------------------------------------------------------------------------------------------

  const place = (t) => (clip.length > 1 ? (1000 * t) / (clip.length - 1) : 500);
  function drawBeta() {
    $("chart").hidden = !clip.beta;
    $("beta-title").textContent = "This model has no attention over frames.";
    if (!clip.beta) return;
    const top = Math.max(...clip.beta) || 1;
    const path = clip.beta.map((value, t) => `${t ? "L" : "M"}${place(t).toFixed(1)} ${(96 - (90 * value) / top).toFixed(2)}`).join("");
    $("line").setAttribute("d", path);
    $("area").setAttribute("d", `${path}L1000 100L0 100Z`);
    $("beta-title").textContent = `Weight of each frame (beta), from 0 to ${top.toPrecision(3)}`;
  }
  function tellMost() {
    if (!clip.alpha) {
      $("most").textContent = "This model has no attention over joints.";
      return;
    }
    const now = clip.alpha.slice(frame * clip.bodies * J, (frame + 1) * clip.bodies * J);
    const best = now.map((_, i) => i).sort((a, b) => now[b] - now[a]).slice(0, 2);
    const body = (i) => (clip.bodies > 1 ? `, body ${Math.floor(i / J) + 1}` : "");
    const most = best.map((i) => `${data.joints[i % J]}${body(i)} (${(now[i] / 100).toFixed(1)} ×)`);
    $("most").textContent = `Most weight now: ${most.join("; ")}`;
  }

  function show(t) {
    frame = Math.max(0, Math.min(clip.length - 1, t));
    $("place").value = frame;
    for (const end of ["x1", "x2"]) $("head").setAttribute(end, place(frame).toFixed(1));
    $("at").textContent = `frame ${frame + 1} of ${clip.length}`;
    tellMost();
    drawScene();
  }

  // --- clips and classes ---------------------------------------------------------------------------------------------------

  function verdict(c) {
    const [name, share] = c.classes[0];
    const right = c.true === null ? "" : c.true === name ? " · ✓ right" : ` · ✗ it is ${c.true}`;
    return `${name}, ${percent(share)}${right}`;
  }
  function choose(number) {
    clipNumber = (number + data.clips.length) % data.clips.length;
    clip = data.clips[clipNumber];
    if (!clip.middle) findMiddle();
    fit = null;
    owed = 0;
    $("place").max = clip.length - 1;
    $("legend").hidden = !clip.alpha;
    $("second").hidden = clip.bodies < 2;
    $("verdict").textContent = verdict(clip);
    [...$("clips").querySelectorAll("button")].forEach((button, i) => button.setAttribute("aria-current", String(i === clipNumber)));
    $("bars").replaceChildren();
    clip.classes.forEach(([name, share], i) => {
      const row = make("li", $("bars"));
      const line = make("div", row, undefined, i ? "name" : "name first");
      const label = make("span", line, name);
      if (name === clip.true) make("span", label, "true class", "tag");
      make("span", line, percent(share));
      make("div", make("div", row, undefined, "track"), undefined, "bar").style.width = `${100 * share}%`;
    });
    drawBeta();
    show(0);
  }
  data.clips.forEach((c, i) => {
    const button = make("button", make("li", $("clips")), c.name);
    button.type = "button";
    make("small", button, verdict(c));
    button.addEventListener("click", () => choose(i));
  });

  // --- playing -------------------------------------------------------------------------------------------------------------

  function play(on) {
    playing = on;
    last = 0;
    $("play").textContent = on ? "Pause" : "Play";
    $("play").setAttribute("aria-pressed", String(on));
    if (on) requestAnimationFrame(tick);
  }
  function tick(now) {
    if (!playing) return;
    if (last) owed += ((now - last) / 1000) * FPS * Number($("speed").value);
    last = now;
    const steps = Math.floor(owed);
    if (steps) {
      owed -= steps;
      show((frame + steps) % clip.length);
    }
    requestAnimationFrame(tick);
  }
  const step = (by) => {
    play(false);
    show(frame + by);
  };

  $("play").addEventListener("click", () => play(!playing));
  $("back").addEventListener("click", () => step(-1));
  $("on").addEventListener("click", () => step(1));
  $("place").addEventListener("input", () => {
    play(false);
    show(Number($("place").value));
  });
  $("turn").addEventListener("input", () => {
    fit = null;
    drawScene();
  });
  const seek = (event) => {
    const box = $("chart").getBoundingClientRect();
    play(false);
    show(Math.round(((event.clientX - box.left) / box.width) * (clip.length - 1)));
  };
  $("chart").addEventListener("pointerdown", (event) => {
    $("chart").setPointerCapture(event.pointerId);
    seek(event);
  });
  $("chart").addEventListener("pointermove", (event) => event.buttons && seek(event));
  $("scene").addEventListener("pointerdown", (event) => $("scene").setPointerCapture(event.pointerId));
  $("scene").addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    const turn = Number($("turn").value) + event.movementX / 2;
    $("turn").value = ((((turn + 180) % 360) + 360) % 360) - 180;
    fit = null;
    drawScene();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const tag = event.target.tagName;
    if (tag === "SELECT" || (tag === "INPUT" && event.key !== " ") || (tag === "BUTTON" && [" ", "Enter"].includes(event.key))) return;
    const actions = {
      " ": () => play(!playing),
      ArrowLeft: () => step(-1),
      ArrowRight: () => step(1),
      ArrowUp: () => choose(clipNumber - 1),
      ArrowDown: () => choose(clipNumber + 1),
      Home: () => step(-clip.length),
      End: () => step(clip.length),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });

  function repaint() {
    readColours();
    drawRamp();
    drawScene();
  }
  dark.addEventListener("change", repaint);
  new ResizeObserver(repaint).observe($("scene"));
  $("rate").textContent = data.fps ? `${data.fps} frames a second.` : `The rate of the recordings is not published; ${FPS} frames a second are shown.`;
  readColours();
  choose(0);
  drawRamp();
  play(!still.matches);
})();
