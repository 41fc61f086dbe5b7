"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const views = {};
  const chosen = {
    place: data.places[0], system: data.systems[0], run: data.runs[0],
    features: Object.keys(data.maps)[0], colour: "domain", method: "principal axes (PCA)",
  };

  /* What each chart shows of what is chosen. */
  const part = () => (data.machines[chosen.place] || {})[chosen.system];
  const rowsOf = (id) => {
    if (id in data.rows) return data.rows[id];
    if (id === "contributions") return data.contributions[chosen.system] || [];
    if (id === "spearman-train") return data.spearman[chosen.run].filter((row) => row.clips === "train normals");
    if (id === "spearman-test") return data.spearman[chosen.run].filter((row) => row.clips === "test clips");
    if (id === "map") return mapRows();
    if (!part()) return [];
    if (id.startsWith("histogram-")) return histogramRows(id.slice("histogram-".length));
    if (id === "strip") return stripRows();
    return rocRows();
  };

  /* Where the domain of a test clip is unknown, one histogram shows all clips; else each domain has its own. */
  const histogramRows = (domain) => {
    const { start, step, counts } = part().bins;
    const whole = counts.some(([group, at]) => group !== "train normal" && at === "unknown");
    if (whole !== (domain === "unknown")) return [];
    const groups = new Map();
    for (const [group, , bins] of whole ? counts : counts.filter((row) => row[1] === domain)) {
      const before = groups.get(group);
      groups.set(group, before ? bins.map((n, i) => n + before[i]) : bins);
    }
    return [...groups].flatMap(([group, bins]) => {
      const total = bins.reduce((sum, n) => sum + n, 0);
      const end = bins.length - 1;  /* The last bin comes twice: a step ends where its last row begins. */
      return [...bins, bins[end]].map((n, i) => ({
        group, n, share: n / total, edge: start + i * step, from: start + Math.min(i, end) * step,
        to: start + (Math.min(i, end) + 1) * step, threshold: part().threshold,
      }));
    });
  };

  const stripRows = () => {
    const clips = data.clips[data.run_of[chosen.system]][chosen.place], { scores, threshold } = part();
    const train = clips.clip.length - scores.length, order = ["test normal", "anomaly", "test"];
    return scores.map((score, k) => {
      const i = train + k, group = clips.group[i], domain = clips.domain[i];
      const row = domain === "unknown" ? group : `${domain} ${group.replace("test ", "")}`;
      return { clip: clips.clip[i], group, domain, score, threshold, row };
    }).sort((a, b) => order.indexOf(a.group) - order.indexOf(b.group) || a.domain.localeCompare(b.domain));
  };

  const rocRows = () => part().roc.flatMap(({ name, x, y, normals, anomalies }) => x.map((fp, i) => (
    { normals: name, order: i, fp, tp: y[i], x: fp / normals, y: y[i] / anomalies }
  )));

  /* Attributes get colours of a wheel in the order of their names. */
  const inkOf = (names) => {
    const fixed = data.ink[chosen.colour];
    return Object.fromEntries(names.map((name, i) => [name, fixed ? fixed[name] : `hsl(${Math.round(360 * i / names.length)} 62% 48%)`]));
  };

  const mapOf = () => {
    const features = data.maps[chosen.features], points = features && features.places[chosen.place];
    return points && { ...data.clips[features.run][chosen.place], ...points };
  };
  const coloursOf = (map) => ({ label: map.group, domain: map.domain, attributes: map.attributes })[chosen.colour].map((one) => one || "none");

  const mapRows = () => {
    const map = mapOf();
    if (!map) return [];
    const umap = chosen.method === "UMAP", colours = coloursOf(map), ink = inkOf([...new Set(colours)].sort());
    return map.clip.map((clip, i) => ({
      clip, x: (umap ? map.u : map.x)[i], y: (umap ? map.v : map.y)[i], group: map.group[i], domain: map.domain[i],
      attributes: map.attributes[i], ink: ink[colours[i]], split: map.group[i] === "train normal" ? "train" : "test",
    })).sort((a, b) => (a.split < b.split ? 1 : a.split > b.split ? -1 : 0));
  };

  /* A chart with a step is as high as it has rows; counted here, as Vega-Lite fits a width or counts rows, not both. */
  const heightOf = (id, rows) => {
    const { height, encoding, layer } = data.specs[id];
    if (!height.step) return undefined;
    const { field } = (encoding || layer[0].encoding).y;
    return height.step * Math.max(1, new Set(rows.map((row) => row[field])).size);
  };

  /* Text that follows the choice. */
  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  /* What adds up to a score: the usual one, and a bar for each branch and guard, as long as what it adds. */
  const MOST_SHARES = 6;
  const brief = (value) => String(Number(value.toPrecision(3)));
  const shareList = ([usual, ...parts]) => {
    const list = element("dl", undefined, "shares"), shown = parts.slice(0, MOST_SHARES), rest = parts.slice(MOST_SHARES);
    if (rest.length) shown.push([`${rest.length} others`, rest.reduce((sum, [, adds]) => sum + adds, 0)]);
    const most = Math.max(...shown.map(([, adds]) => Math.abs(adds))) || 1;
    list.append(element("dt", usual[0]), element("dd", brief(usual[1])));
    for (const [name, adds] of shown) {
      const value = element("dd"), bar = element("i", undefined, adds < 0 ? "less" : "");
      bar.style.setProperty("--part", Math.abs(adds) / most);
      value.append(bar, `${adds < 0 ? "" : "+"}${brief(adds)}`);
      const label = element("dt", name);
      label.title = name;
      list.append(label, value);
    }
    return list;
  };

  const clipItem = (row, showGroup) => {
    const item = element("li"), left = element("div"), right = element("div");
    const seen = data.pictures[row.sound];
    if (seen) {
      const image = element("img");
      image.src = seen.picture;
      image.alt = `Spectrogram of ${row.clip}`;
      left.append(image);
      if (seen.sound) {
        const player = element("audio");
        player.controls = true;
        player.preload = "none";
        player.src = seen.sound;
        left.append(player);
        if (seen.heard) left.append(element("p", seen.heard, "name"));
      }
    } else left.append(element("div", "recording not at hand", "blank"));
    const head = element("p");
    head.append(element("b", `Rank ${row.rank}`), ` score ${row.score} `);
    if (row.domain) head.append(element("span", row.domain, `tag ${row.domain}`));
    if (showGroup) head.append(element("span", row.group.replace("test ", ""), "tag"));
    if (row.flagged) head.append(element("span", "called an anomaly", "tag flagged"));
    right.append(head);
    if (row.shares) right.append(shareList(row.shares));
    for (const sentence of row.stands_out || []) right.append(element("p", sentence, "why"));
    if (row.anomalies && row.group !== "anomaly") right.append(element("p", `Stands above ${row.outranks} of ${row.anomalies} anomalies.`));
    const moved = row.rank === row.rank_before ? "its rank stayed" : `rank ${row.rank_before} became ${row.rank}`;
    if (part().guarded) right.append(element("p", row.penalty > 0 ? `Guards took ${row.penalty} of ${row.base}: ${moved}.`
      : row.rank === row.rank_before ? "No guard touched it." : `No guard touched it, but others moved: ${moved}.`));
    if (row.attributes) right.append(element("p", `Attributes: ${row.attributes}`));
    right.append(element("p", row.clip.split("/test/").pop(), "name"));
    item.append(left, right);
    return item;
  };

  const tell = () => {
    const cells = Object.keys(data.rows).filter((id) => id.startsWith("heat-")).map((id) => {
      const row = data.rows[id].find((one) => one.place === chosen.place && one.system === chosen.system);
      return row && `${document.querySelector(`#figure-${id} h3`).textContent} ${row.estimate.toFixed(1)} (${row.low.toFixed(1)} to ${row.high.toFixed(1)})`;
    }).filter(Boolean);
    const now = part();
    document.getElementById("lead").textContent = now
      ? `${chosen.system} on ${chosen.place}. ${cells.join(", ")}${cells.length ? "." : ""}`
      : `${chosen.system} was not run on ${chosen.place}.`;
    document.getElementById("tail").replaceChildren(...(now ? now.tail.map((row) => clipItem(row, false)) : []));
    const highest = document.getElementById("highest");
    if (highest) highest.replaceChildren(...(now ? now.top.map((row) => clipItem(row, true)) : []));
    tellMap();
  };

  const tellMap = () => {
    const map = mapOf(), names = map ? [...new Set(coloursOf(map))].sort() : [], ink = inkOf(names);
    document.getElementById("map-area").hidden = !Object.keys(data.maps).length;
    document.getElementById("legend").replaceChildren(...names.map((name) => {
      const entry = element("span", name), dot = element("i");
      dot.style.background = ink[name];
      entry.prepend(dot);
      return entry;
    }));
    document.getElementById("explained").textContent = !map ? "There is no map of this machine."
      : chosen.method === "UMAP" ? `${chosen.place}. UMAP keeps who is near whom; distances between groups mean little.`
        : `${chosen.place}. The axes are those along which its train normals differ most; they hold ${Math.round(100 * map.explained)} % of their variance.`;
  };

  /* Choosing. */
  const options = () => ({
    place: data.places, system: data.systems, run: data.runs, features: Object.keys(data.maps),
    colour: ["domain", "label", "attributes"],
    method: Object.values(data.maps).some((map) => Object.values(map.places).some((one) => one.u))
      ? ["principal axes (PCA)", "UMAP"] : ["principal axes (PCA)"],
  });
  const dependent = Object.keys(data.specs).filter((id) => !(id in data.rows));

  const show = (id) => {
    const rows = rowsOf(id), figure = document.getElementById(`figure-${id}`);
    if (!figure) return undefined;
    figure.classList.toggle("empty", !rows.length);
    if (id.startsWith("histogram-")) figure.hidden = !rows.length && Boolean(part());
    if (!rows.length) return undefined;
    if (!views[id]) return draw(id, rows);
    const height = heightOf(id, rows);
    return (height ? views[id].height(height) : views[id]).data("rows", rows).resize().runAsync();
  };
  const mark = () => {
    document.querySelectorAll("[data-choose]").forEach((one) => { one.value = chosen[one.dataset.choose]; });
    tell();
  };
  const choose = (change) => {
    Object.assign(chosen, change);
    mark();
    return Promise.all(dependent.map(show));
  };

  for (const [key, values] of Object.entries(options())) {
    for (const select of document.querySelectorAll(`[data-choose="${key}"]`)) {
      select.append(...values.map((value) => new Option(value, value)));
      select.parentElement.hidden = values.length < 2;
      select.addEventListener("change", () => choose({ [key]: select.value }));
    }
  }

  /* Drawing. A click on a cell of a heat map chooses its machine and system. */
  const draw = async (id, rows) => {
    const tooltip = { disableDefaultStyle: true };
    const height = heightOf(id, rows);
    const spec = { ...data.specs[id], ...(height && { height }), datasets: { rows } };
    const options = { actions: false, renderer: "svg", tooltip };
    const { view } = await vegaEmbed(`#chart-${id}`, spec, options);
    views[id] = view;
    if (id.startsWith("heat-")) {
      view.addEventListener("click", (event, item) => {
        if (!item || !item.datum || !item.datum.place) return;
        choose({ place: item.datum.place, system: item.datum.system });
        document.getElementById("machine").scrollIntoView();
      });
    }
  };

  const best = data.rows.official && data.rows.official[0];
  if (best) chosen.system = best.system;
  mark();
  Promise.all(Object.keys(data.specs).map(show)).then(() => { document.body.dataset.drawn = Object.keys(views).length; });
})();
