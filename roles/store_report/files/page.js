// The page of role store_report. All text from hosts enters the document as text, never as markup. The document holds
// only the rows in view, however many hosts there are.
"use strict";
(() => {
  const PAGE = 50; // rows of hosts at a time
  const GROUPS = 40; // rows of problems
  const STORES = 100; // rows of stores
  const ROW = 26; // pixels of a layer in the tree
  const STATES = {
    failed: "failed", unreachable: "unreachable", stopped: "stopped", ok: "ok", absent: "no store",
  };
  const LEVELS = ["", "note", "warning", "error"];
  const hosts = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);

  function make(name, attributes, ...children) {
    const svg = ["svg", "g", "path", "rect", "text", "title"].includes(name);
    const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    node.append(...children.map((child) => (child instanceof Node ? child : String(child))));
    return node;
  }

  function bytes(number) {
    if (number === null || number === undefined) return "–";
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let unit = 0;
    while (number >= 1024 && unit < units.length - 1) {
      number /= 1024;
      unit += 1;
    }
    return `${unit && number < 100 ? number.toFixed(1) : Math.round(number)} ${units[unit]}`;
  }

  function age(seconds) {
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
      if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
    }
    return `${seconds} s`;
  }

  const plural = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
  const level = (host) => Math.max(0, ...host.problems.map((problem) => problem.level));
  const size = (host) => (host.store ? host.store.size : 0);
  const free = (host) => (host.store ? host.store.free : 0);
  const reclaimable = (host) => (host.plan ? Math.min(host.plan.remove_bytes, size(host) - free(host)) : 0);
  const used = (host) => size(host) - free(host) - reclaimable(host);
  const isDone = (host) => Boolean(host.cleanup) && !host.cleanup.check; // check mode removes nothing
  const removed = (host) => (isDone(host) ? host.cleanup.remove_bytes : 0);
  const orphans = (host) => (host.plan && !host.plan.remove ? host.plan.orphan_bytes : 0);
  const newest = hosts.reduce((time, host) => Math.max(time, host.time), 0);
  const sum = (value) => hosts.reduce((total, host) => total + value(host), 0);

  function bar(parts) {
    const names = ["used", "reclaimable", "free"];
    const label = names.map((name, i) => `${name} ${bytes(parts[i])}`).join(", ");
    const node = make("div", { class: "bar", role: "img", "aria-label": label, title: label });
    names.forEach((name, i) => {
      const part = make("span", { class: name });
      part.style.flexGrow = parts[i];
      node.append(part);
    });
    return node;
  }

  function showSums() {
    find("time").textContent = newest ? `as of ${new Date(newest * 1000).toLocaleString()}` : "";
    const states = Object.entries(STATES).map(([state, word]) => [hosts.filter((h) => h.state === state).length, word]);
    const facts = [
      [plural(hosts.length, "host"), states.filter(([n]) => n).map(([n, word]) => `${n} ${word}`).join(", ")],
      [plural(sum((h) => (h.store ? h.store.layers : 0)), "layer"), `${sum((h) => (h.store ? h.store.mounts : 0))} mounted`],
      [bytes(sum(reclaimable)), `reclaimable, ${plural(sum((h) => (h.plan ? h.plan.remove : 0)), "layer")}`],
      [bytes(sum(free)), `free of ${bytes(sum(size))}`],
    ];
    if (sum(orphans)) facts.push([bytes(sum(orphans)), "of orphans of other engines"]);
    for (const [word, hasIt] of [["removed", isDone], ["would be removed", (h) => h.cleanup && !isDone(h)]]) {
      if (!hosts.some(hasIt)) continue;
      const cleaned = (key) => sum((h) => (hasIt(h) ? h.cleanup[key] : 0));
      facts.push([bytes(cleaned("remove_bytes")), `${word}, ${plural(cleaned("remove"), "layer")}`]);
    }
    for (const [large, small] of facts) {
      find("sums").append(make("div", { class: "sum" }, make("strong", {}, large), make("span", {}, small)));
    }
    find("sums").after(bar([sum(used), sum(reclaimable), sum(free)]));
  }

  function showProblems() {
    const groups = new Map();
    for (const host of hosts) {
      const seen = new Set();
      for (const problem of host.problems) {
        const kind = `${problem.code}\n${problem.hint}`; // the same problem can have another remedy on another host
        if (!groups.has(kind)) groups.set(kind, { ...problem, count: 0, hosts: 0, repaired: 0, first: host.host });
        const group = groups.get(kind);
        group.count += 1;
        group.repaired += problem.certain;
        if (!seen.has(kind)) group.hosts += 1;
        seen.add(kind);
      }
    }
    const rows = [...groups.values()].sort((a, b) => b.level - a.level || b.hosts - a.hosts || (a.code < b.code ? -1 : 1));
    find("no-problems").hidden = rows.length > 0;
    find("problems").hidden = !rows.length;
    for (const group of rows.slice(0, GROUPS)) {
      const button = make("button", { type: "button", class: "link" }, group.code);
      button.addEventListener("click", () => {
        find("filter").value = group.code;
        find("state").value = "";
        filter();
        find("hosts").scrollIntoView();
      });
      const where = group.hosts === 1 ? group.first : plural(group.hosts, "host");
      find("problem-rows").append(make("tr", {},
        make("td", {}, make("span", { class: `level level${group.level}` }, LEVELS[group.level])),
        make("td", {}, button),
        make("td", { class: "host" }, where),
        make("td", {}, group.message),
        make("td", {}, group.hint, ...(group.repaired ? [repair(`${group.repaired} of ${group.count}`)] : []))));
    }
  }

  // What nobody needs in a store: by the collection, by its engine, by a person.
  function unneeded(store) {
    if (!store.unneeded) return "unknown";
    const parts = Object.entries(store.unneeded).map(([way, [number, size]]) => `${way}: ${number}${size === null ? "" : `, ${bytes(size)}`}`);
    return parts.join("; ") || "nothing found";
  }

  function showStores() {
    const rows = hosts.flatMap((host) => (host.stores ? host.stores.rows.map((store) => [host, store]) : []));
    const leftOut = sum((host) => (host.stores ? host.stores.left_out : 0)) + Math.max(0, rows.length - STORES);
    rows.sort((a, b) => (b[1].bytes || 0) - (a[1].bytes || 0));
    find("stores").hidden = !rows.length;
    find("store-rows").append(...rows.slice(0, STORES).map(([host, store]) => make("tr", {},
      make("td", {}, hostButton(host)),
      make("td", {}, `${store.home} (${[store.engine || "unknown engine", store.kind].filter(Boolean).join(", ")})`),
      make("td", {}, store.state),
      make("td", { class: "number" }, store.layers === null ? "–" : store.layers),
      make("td", { class: "number" }, bytes(store.bytes)),
      make("td", {}, unneeded(store)))));
    find("stores-left-out").hidden = !leftOut;
    find("stores-left-out").textContent = `and ${plural(leftOut, "smaller store")}`;
  }

  function repair(what) {
    return make("div", { class: "repair" }, `The playbook strata.overlay2.repair repairs ${what}.`);
  }

  // What overlay2_repair would do about the problem of a host.
  function repairOf(problem) {
    if (!problem.repair) return [];
    return [problem.certain ? repair(`this: ${problem.repair}`)
      : make("div", { class: "repair" }, `A repair needs your decision: ${problem.repair}.`)];
  }

  const text = (value) => (host) => document.createTextNode(value(host));
  const COLUMNS = [
    { title: "Host", value: (h) => h.host, cell: hostButton },
    { title: "State", value: (h) => Object.keys(STATES).indexOf(h.state), cell: stateCell },
    { title: "Problems", value: (h) => -(level(h) * 1e6 + h.problem_count), cell: problemCell, worst: true },
    { title: "Used, reclaimable, free", value: (h) => (size(h) ? -(used(h) + reclaimable(h)) / size(h) : 1), cell: barCell },
    { title: "Reclaimable", number: true, value: (h) => -reclaimable(h), cell: text((h) => (h.plan ? bytes(reclaimable(h)) : "–")) },
    { title: "Free", number: true, value: (h) => (h.store ? free(h) : Infinity), cell: text((h) => (h.store ? bytes(free(h)) : "–")) },
    { title: "Layers", number: true, value: (h) => -(h.store ? h.store.layers : -1), cell: text((h) => (h.store ? h.store.layers : "–")) },
    { title: "Removed", number: true, value: (h) => -removed(h), cell: text((h) => (isDone(h) ? bytes(removed(h)) : "–")) },
    { title: "Store", value: (h) => (h.store ? `${h.store.managed_by} ${h.store.home}` : "\uffff"), cell: text(storeText) },
  ];
  let order = { column: COLUMNS.find((column) => column.worst), down: false };
  let matching = hosts;
  let start = 0;

  function hostButton(host) {
    const button = make("button", { type: "button", class: "link host" }, host.host);
    button.addEventListener("click", () => showHost(host));
    return button;
  }

  function stateCell(host) {
    const state = make("span", { class: `state ${host.state}` }, STATES[host.state]);
    return host.earlier ? make("span", {}, state, ` ${age(Math.round(newest - host.time))} ago`) : state;
  }

  function problemCell(host) {
    const worst = level(host);
    return worst ? make("span", { class: `level level${worst}` }, host.problem_count) : make("span", {}, "0");
  }

  function barCell(host) {
    return size(host) ? bar([used(host), reclaimable(host), free(host)]) : make("span", {}, "–");
  }

  function storeText(host) {
    if (!host.store) return "–";
    return host.store.managed_by ? `${host.store.home} (${host.store.managed_by})` : host.store.home;
  }

  function filter() {
    const words = find("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const state = find("state").value;
    matching = hosts.filter((host) => {
      if (state && host.state !== state && !(state === "foreign" && host.store && host.store.managed_by)) return false;
      const where = [host.host, STATES[host.state], storeText(host), host.store ? host.store.backing_fs : "",
        ...host.problems.map((problem) => problem.code)].join("\n").toLowerCase();
      return words.every((word) => where.includes(word));
    });
    start = 0;
    sort();
  }

  function sort() {
    const turn = order.down ? -1 : 1;
    const keys = new Map(matching.map((host) => [host, order.column.value(host)]));
    const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    matching = [...matching].sort((a, b) => turn * compare(keys.get(a), keys.get(b)) || compare(a.host, b.host));
    showHosts();
  }

  function showHosts() {
    COLUMNS.forEach((column, i) => {
      const sorted = column === order.column ? (order.down ? "descending" : "ascending") : "none";
      find("columns").children[i].setAttribute("aria-sort", sorted);
    });
    const rows = matching.slice(start, start + PAGE).map((host) => make("tr", {},
      ...COLUMNS.map((column) => make("td", column.number ? { class: "number" } : {}, column.cell(host)))));
    find("host-rows").replaceChildren(...rows);
    const last = Math.min(start + PAGE, matching.length);
    find("count").textContent = matching.length
      ? `${start + 1} to ${last} of ${plural(matching.length, "host")}` : "no host matches";
    find("before").disabled = start === 0;
    find("after").disabled = last >= matching.length;
  }

  function turnTo(place) {
    start = place;
    showHosts();
  }

  function showColumns() {
    for (const column of COLUMNS) {
      const button = make("button", { type: "button" }, column.title);
      button.addEventListener("click", () => {
        order = { column, down: order.column === column && !order.down };
        start = 0;
        sort();
      });
      find("columns").append(make("th", { scope: "col", ...(column.number ? { class: "number" } : {}) }, button));
    }
  }

  function showHost(host) {
    const facts = host.store ? [
      ["Store", storeText(host)],
      ["Filesystem", `${host.store.backing_fs || "unknown"} on ${host.store.mount_point}, ${bytes(free(host))} of ${bytes(size(host))} free`],
      ["Layers", `${host.store.layers}, ${host.store.mounts} mounted${host.store.bytes === null ? "" : `, ${bytes(host.store.bytes)}`}`],
      ["Kernel", host.store.kernel],
      ["Usable", host.store.supported ? "yes" : "no"],
    ] : [];
    if (host.plan) facts.push(["Plan", `${plural(host.plan.remove, "layer")} may go, ${bytes(host.plan.remove_bytes)}`]);
    if (orphans(host)) {
      facts.push(["Orphans", `${plural(host.plan.orphans, "layer")} that no record of ${host.store.managed_by} names, `
        + `${bytes(orphans(host))}: they go with ${host.store.managed_by} stopped and foreign: remove`]);
    }
    if (host.cleanup) {
      facts.push([host.cleanup.check ? "Would be removed" : "Removed", `${plural(host.cleanup.remove, "layer")}, `
        + `${bytes(host.cleanup.remove_bytes)}, ${bytes(host.cleanup.pending_bytes)} still to be deleted`]);
    }
    const problems = host.problems.map((problem) => make("li", {},
      make("span", { class: `level level${problem.level}` }, LEVELS[problem.level]), " ", problem.message,
      make("div", { class: "hint" }, problem.hint, ...repairOf(problem))));
    if (host.problem_count > host.problems.length) {
      problems.push(make("li", {}, `and ${host.problem_count - host.problems.length} more`));
    }
    const close = make("button", { type: "button" }, "Close");
    close.addEventListener("click", () => find("detail").replaceChildren());
    const heading = make("h2", { tabindex: "-1" }, make("span", { class: "host" }, host.host), " ", stateCell(host));
    find("detail").replaceChildren(make("div", { class: "head" }, heading, close),
      make("ul", { class: "problems" }, ...problems),
      make("dl", {}, ...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])),
      ...lineages(host), ...tree(host));
    heading.focus();
    find("detail").scrollIntoView();
  }

  function lineages(host) {
    if (!host.lineages.length) return [];
    const head = ["Largest lineages, by their base", "Layers", "Deepest", "Mounted", "Held"];
    const cells = (row) => [row.base, row.layers, row.depth, row.mounted, row.held];
    const line = (name, values) => make("tr", {},
      ...values.map((value, i) => make(name, i ? { class: "number" } : {}, value)));
    return [make("table", { class: "lineages" }, make("thead", {}, line("th", head)),
      make("tbody", {}, ...host.lineages.map((row) => line("td", cells(row)))))];
  }

  // Return the rows of a tree from top to bottom: [node, depth, the parent's row]. No recursion: a tree can be deep.
  function treeRows(nodes) {
    const children = new Map();
    nodes.forEach((node, i) => children.set(node[1], [...(children.get(node[1]) || []), i]));
    const rows = [];
    const waiting = (children.get(-1) || []).map((i) => [i, 0, -1]).reverse();
    while (waiting.length) {
      const [i, depth, above, hidden] = waiting.pop();
      const place = rows.push([hidden ? null : nodes[i], depth, above, hidden]) - 1;
      if (hidden) continue;
      if (nodes[i][6]) waiting.push([i, depth + 1, place, nodes[i].slice(6)]);
      waiting.push(...(children.get(i) || []).map((child) => [child, depth + 1, place]).reverse());
    }
    return rows;
  }

  function tree(host) {
    if (!host.tree) return [];
    const rows = treeRows(host.tree.nodes);
    if (host.tree.hidden[0]) rows.push([null, 0, -1, host.tree.hidden]);
    const largest = Math.max(1, ...host.tree.nodes.map((node) => node[4]));
    const deepest = Math.max(...rows.map(([, depth]) => depth));
    const left = deepest * 18 + 24;
    const width = left + 860;
    const svg = make("svg", { viewBox: `0 0 ${width} ${rows.length * ROW + 8}`, width, height: rows.length * ROW + 8,
      role: "img", "aria-label": `layers of ${host.host}` });
    rows.forEach(([node, depth, above, hidden], place) => {
      const [x, y] = [depth * 18 + 10, place * ROW + ROW / 2];
      if (above >= 0) svg.append(make("path", { d: `M${x - 18} ${above * ROW + ROW / 2 + 5}V${y}H${x - 5}` }));
      if (!node) {
        svg.append(make("text", { x, y: y + 4, class: "more" },
          `and ${plural(hidden[0], "layer")} more, ${bytes(hidden[1])}, of which ${hidden[2]} may go`));
        return;
      }
      const kind = node[2] ? "goes" : "stays";
      const name = node[0].length > 26 ? `${node[0].slice(0, 25)}…` : node[0];
      const reason = host.tree.reasons[node[3]];
      svg.append(make("g", { class: kind },
        make("title", {}, `${node[0]}: ${bytes(node[4])}, unused for ${age(node[5])}; ${reason}`),
        make("rect", { x: x - 5, y: y - 5, width: 10, height: 10, rx: 2 }),
        make("text", { x: x + 12, y: y + 4, class: "id" }, name),
        make("rect", { x: left + 210, y: y - 6, width: Math.max(1, (node[4] / largest) * 120), height: 12, rx: 2 }),
        make("text", { x: left + 340, y: y + 4 }, bytes(node[4])),
        make("text", { x: left + 415, y: y + 4 }, age(node[5])),
        make("text", { x: left + 470, y: y + 4 }, reason.length > 60 ? `${reason.slice(0, 59)}…` : reason)));
    });
    const note = make("p", { class: "key" }, make("span", { class: "key-goes" }, "may go"), " ",
      make("span", { class: "key-stays" }, "stays"), "; with bytes, time since the last use, and the reason");
    return [make("h3", {}, "Layers"), note, make("div", { class: "tree" }, svg)];
  }

  showSums();
  showProblems();
  showStores();
  showColumns();
  filter();
  let wait = 0;
  find("filter").addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(filter, 80);
  });
  find("state").addEventListener("change", filter);
  find("before").addEventListener("click", () => turnTo(Math.max(0, start - PAGE)));
  find("after").addEventListener("click", () => turnTo(start + PAGE));
  document.documentElement.dataset.ready = "yes";
})();
