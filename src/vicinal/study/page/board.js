// The mixing board: the mix of two images, live.
"use strict";
(() => {
  const DRAWS = 500;
  const BINS = 25;
  const find = (id) => document.getElementById(id);
  const samples = JSON.parse(find("board-images").textContent);
  const state = { box: { x: 0.5, y: 0.5 }, draws: 0 };

  // A seeded generator (mulberry32), so that the page shows the same draws whenever it is opened.
  let seed = 1;
  function random() {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  // Beta(alpha, alpha) without rejection, by Bailey's polar method.
  function beta(alpha) {
    const cosine = Math.cos(2 * Math.PI * random());
    const spread = 1 / Math.expm1(-Math.log1p(-random()) / alpha);
    return 0.5 + cosine / (2 * Math.sqrt(cosine * cosine + spread));
  }

  const alpha = () => 10 ** Number(find("alpha").value);
  const weight = () => Number(find("weight").value);
  const isCut = () => find("method").value === "cutmix";

  function drawWeight() {
    const lam = beta(alpha());
    return find("folded").checked ? Math.max(lam, 1 - lam) : lam;
  }

  // The box has the partner's share of the area and stays inside the image, so the weight is exact.
  function box(width, height) {
    const side = Math.sqrt(1 - weight());
    const [w, h] = [Math.round(side * width), Math.round(side * height)];
    const x = Math.round(state.box.x * width - w / 2);
    const y = Math.round(state.box.y * height - h / 2);
    const inside = (start, length, all) => Math.min(Math.max(start, 0), all - length);
    return { x: inside(x, w, width), y: inside(y, h, height), w, h };
  }

  // The nearest place that the box can be moved to: beyond it, keys would seem to do nothing.
  function reachable({ x, y }) {
    const half = Math.sqrt(1 - weight()) / 2;
    const within = (value) => Math.min(Math.max(value, half), 1 - half);
    return { x: within(x), y: within(y) };
  }

  function placeBox(x, y) {
    state.box = reachable({ x, y });
    mix();
  }

  function mix() {
    const [own, partner] = [find("own-picture"), find("partner-picture")];
    const mixed = find("mixed");
    const { width, height } = own;
    Object.assign(mixed, { width, height });
    const context = mixed.getContext("2d");
    context.drawImage(own, 0, 0);
    let lam = weight();
    if (isCut()) {
      const { x, y, w, h } = box(width, height);
      if (w && h) context.drawImage(partner, x, y, w, h, x, y, w, h);
      lam = 1 - (w * h) / (width * height);
    } else {
      context.globalAlpha = 1 - lam;
      context.drawImage(partner, 0, 0);
      context.globalAlpha = 1;
    }
    mixed.classList.toggle("cutmix", isCut());
    mixed.tabIndex = isCut() ? 0 : -1;
    showTarget(lam);
  }

  function showTarget(lam) {
    const [own, partner] = [find("own").value, find("partner").value].map((i) => samples[i].label);
    const shares = own === partner ? [[own, 1]] : [[own, lam], [partner, 1 - lam]];
    const text = (share) => `${(100 * share).toFixed(0)} %`;
    const rows = shares.map(([name, share]) => {
      const row = document.createElement("li");
      const [label, bar, value] = ["span", "span", "span"].map((tag) => document.createElement(tag));
      label.className = "name";
      label.textContent = label.title = name;
      bar.className = "bar";
      bar.style.width = `${100 * share}%`;
      value.textContent = text(share);
      row.append(label, bar, value);
      return row;
    });
    find("bars").replaceChildren(...rows);
    const target = shares.map(([name, share]) => `${text(share)} ${name}`).join(", ");
    const hint = isCut() ? ", whose box is moved by dragging and by arrow keys" : "";
    find("mixed").setAttribute("aria-label", `the mixed image${hint}: ${target}`);
    find("weight-text").textContent = weight().toFixed(2);
    markWeight();
  }

  function markWeight() {
    const mark = find("histogram").querySelector("line");
    if (!mark) return;
    mark.setAttribute("x1", 100 * weight());
    mark.setAttribute("x2", 100 * weight());
  }

  function showDraws() {
    const strength = alpha();
    const counts = new Array(BINS).fill(0);
    let uneven = 0;
    for (let i = 0; i < DRAWS; i++) {
      const lam = drawWeight();
      counts[Math.min(BINS - 1, Math.floor(BINS * lam))]++;
      if (Math.max(lam, 1 - lam) > 0.9) uneven++;
    }
    const highest = Math.max(...counts);
    const shape = (name, attributes) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      return made;
    };
    const bars = counts.map((count, i) => {
      const height = (100 * count) / highest;
      return shape("rect", { x: (100 * i) / BINS, y: 100 - height, width: 96 / BINS, height });
    });
    find("histogram").replaceChildren(...bars, shape("line", { y1: 0, y2: 100 }));
    find("alpha-text").textContent = strength.toPrecision(2);
    find("alpha").setAttribute("aria-valuetext", strength.toPrecision(2)); // its value is the logarithm
    const near = Math.round((100 * uneven) / DRAWS);
    const summary = `${DRAWS} draws of the weight with this α: in ${near} % of them, one image has more than nine tenths.`;
    find("histogram-text").textContent = summary;
    find("histogram").setAttribute("aria-label", summary);
    markWeight();
  }

  function show(which) {
    const sample = samples[find(which).value];
    const canvas = find(`${which}-picture`);
    const picture = new Image();
    picture.onload = () => {
      Object.assign(canvas, { width: picture.width, height: picture.height });
      canvas.getContext("2d").drawImage(picture, 0, 0);
      canvas.setAttribute("aria-label", sample.label);
      const isLarge = picture.width > 96;
      for (const id of ["own-picture", "partner-picture", "mixed"]) find(id).classList.toggle("smooth", isLarge);
      mix();
    };
    picture.src = sample.src;
  }

  function moveTo(event) {
    const frame = find("mixed").getBoundingClientRect();
    placeBox((event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height);
  }

  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  find("mixed").addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step || !isCut()) return;
    event.preventDefault();
    const { width, height } = find("mixed");
    const [right, down] = [width, height].map((length) => Math.max(0.05, 1 / length)); // a pixel at least
    const { x, y } = reachable(state.box); // the weight may have changed since it was placed
    placeBox(x + right * step[0], y + down * step[1]);
  });
  find("mixed").addEventListener("pointerdown", (event) => {
    if (!isCut()) return;
    find("mixed").focus({ preventScroll: true }); // not every browser does, and keys would go elsewhere
    find("mixed").setPointerCapture(event.pointerId);
    moveTo(event);
  });
  find("mixed").addEventListener("pointermove", (event) => {
    if (isCut() && find("mixed").hasPointerCapture(event.pointerId)) moveTo(event);
  });

  for (const which of ["own", "partner"]) {
    samples.forEach((sample, index) => find(which).append(new Option(sample.label, index)));
    find(which).addEventListener("input", () => show(which));
  }
  const other = samples.findIndex((sample) => sample.label !== samples[0].label);
  find("partner").value = other < 0 ? 1 : other;
  find("weight").addEventListener("input", mix);
  find("alpha").addEventListener("input", showDraws);
  find("folded").addEventListener("input", showDraws);
  // As in the papers: Beta(1, 1) for boxes, and no folding.
  function useDefaults(strength) {
    find("alpha").value = strength ? Math.log10(strength) : isCut() ? 0 : -0.4;
    find("folded").checked = !isCut();
  }
  find("method").addEventListener("input", () => {
    useDefaults();
    showDraws();
    mix();
  });
  find("draw").addEventListener("click", () => {
    find("weight").value = drawWeight();
    mix();
  });
  find("method").value = find("board").dataset.method;
  useDefaults(Number(find("board").dataset.alpha));
  showDraws();
  show("own");
  show("partner");
})();
