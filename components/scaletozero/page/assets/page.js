// Draws snapshots of an environment. All text goes into the page as text, so no name or message of a service is read
// as HTML.
"use strict";

const SERIES = ["#4c6ef5", "#f08c00", "#2f9e44", "#9c36b5", "#1098ad"];
const LIMIT = "#e03131";
const AGAIN_AFTER_A_FAULT = 5;

const plots = new Map();
let next;

const by = (id) => document.getElementById(id);

function element(name, className, text) {
  const found = document.createElement(name);
  if (className) found.className = className;
  if (text !== undefined) found.textContent = text;
  return found;
}

function dollars(value) {
  if (value === null) return "–";
  const size = Math.abs(value);
  if (size > 0 && size < 0.01) return "$" + value.toLocaleString("en", { maximumSignificantDigits: 2 });
  return value.toLocaleString("en", { style: "currency", currency: "USD" });
}

function problem(text) {
  by("problem").hidden = !text;
  by("problem").textContent = text || "";
}

// A text with parts between backticks.
function worded(text) {
  const found = element("p", "about");
  text.split("`").forEach((part, index) => found.append(index % 2 ? element("code", "", part) : part));
  return found;
}

function figure(label, value, over) {
  const found = element("div", over ? "figure over" : "figure");
  found.append(element("b", "", value), element("span", "", label));
  return found;
}

function figures(place, spending, about, guard) {
  place.replaceChildren();
  if (!spending) return;
  const over = spending.cap_usd !== null && spending.left_usd !== null && spending.left_usd < 0;
  const late = spending.cap_usd !== null && spending.usd_per_month_at_this_rate > spending.cap_usd;
  place.append(figure("this month so far", dollars(spending.spent_usd), over));
  place.append(figure("a month at this rate", dollars(spending.usd_per_month_at_this_rate), late));
  if (spending.cap_usd !== null) {
    place.append(figure("cap of a month", dollars(spending.cap_usd)));
    place.append(figure("left of it", dollars(spending.left_usd), over));
  }
  if (guard && guard.state) place.append(figure("spending guard", guard.state, guard.state !== "open"));
  if (guard && guard.error) place.append(element("p", "error", guard.error));
  if (spending.error) place.append(element("p", "error", "Spending: " + spending.error));
  else if (about) place.append(element("p", "note", about));
}

function hover(unit) {
  return `%{y:.4~g} ${unit}<extra>%{fullData.name}</extra>`;
}

function traces(panel, from, until) {
  const found = panel.series.map((series, index) => {
    const x = [], y = [];
    series.at.forEach((at, place) => {
      // Periods without data are a gap, not a line between what is on both sides of them.
      if (place && Date.parse(at) - Date.parse(series.at[place - 1]) > panel.seconds * 1000) {
        x.push(at);
        y.push(null);
      }
      x.push(at);
      y.push(series.values[place]);
    });
    // A count of an hour is as wide as its hour.
    if (panel.seconds >= 3600) {
      return {
        x, y, name: series.label, type: "bar", offset: 0, width: panel.seconds * 950,
        marker: { color: SERIES[index % SERIES.length], opacity: 0.6 }, hovertemplate: hover(panel.unit),
      };
    }
    return {
      x, y, name: series.label, mode: "lines+markers", connectgaps: false,
      line: { color: SERIES[index % SERIES.length], width: 2 }, marker: { size: 5 }, cliponaxis: false,
      hovertemplate: hover(panel.unit),
    };
  });
  for (const limit of panel.limits) {
    found.push({
      x: [from, until], y: [limit.value, limit.value], name: limit.label, mode: "lines",
      line: { color: LIMIT, width: 1.5, dash: "dash" }, hovertemplate: hover(panel.unit),
    });
  }
  return found;
}

function layout(panel, from, until) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: colour("--line"), linecolor: colour("--line"), zeroline: false, fixedrange: true };
  const empty = panel.series.every((series) => !series.values.length) && !panel.error;
  return {
    margin: { l: 46, r: 8, t: 6, b: 28 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("--dim") },
    showlegend: panel.series.length + panel.limits.length > 1,
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 11 } },
    hovermode: "x unified",
    xaxis: { ...axis, type: "date", range: [from, until], nticks: 6, tickformat: "%H:%M" },
    yaxis: { ...axis, rangemode: "tozero", nticks: 5, automargin: true, exponentformat: "none", ...(empty ? { range: [0, 1], showticklabels: false } : {}) },
    annotations: empty
      ? [{ text: "no data in this time", showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5, font: { size: 13 } }]
      : [],
  };
}

// Plotly draws dates as they are written: times of this machine, without a zone.
function local(iso) {
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}

function localised(panel) {
  return { ...panel, series: panel.series.map((series) => ({ ...series, at: series.at.map(local) })) };
}

function draw(key, place, given, until) {
  let found = plots.get(key);
  if (!found) {
    const card = element("section", "panel"), head = element("header");
    head.append(element("h3", "", given.title), element("span", "unit", given.unit));
    found = { card, error: element("p", "error"), plot: element("div", "plot") };
    card.append(head, found.error, found.plot);
    plots.set(key, found);
  }
  if (found.card.parentNode !== place) place.append(found.card);
  found.error.hidden = !given.error;
  found.error.textContent = given.error || "";
  const panel = localised(given), options = { displayModeBar: false, responsive: true };
  // What could not be read is not drawn as if nothing had happened.
  found.plot.hidden = Boolean(given.error) && given.series.every((series) => !series.values.length);
  const from = local(given.from);
  if (!found.plot.hidden) Plotly.react(found.plot, traces(panel, from, until), layout(panel, from, until), options);
}

function show(snapshot) {
  document.title = `${snapshot.environment}: scaletozero`;
  by("title").textContent = `${snapshot.environment}, ${snapshot.region}`;
  const read = new Date(snapshot.read_at).toLocaleTimeString();
  by("when").textContent = `${snapshot.sandbox ? "sandbox, " : ""}read at ${read}, again every ${snapshot.seconds_between} s`;
  problem(snapshot.error);
  const sandboxed = "What the same requests would have cost on AWS: the sandbox costs nothing.";
  figures(by("spending"), snapshot.spending, snapshot.sandbox ? sandboxed : "");
  const until = local(snapshot.until), kept = [];
  for (const endpoint of snapshot.endpoints) {
    const id = "endpoint-" + endpoint.name;
    let place = document.getElementById(id);
    if (!place) {
      place = element("section");
      place.id = id;
      place.append(element("h2", "", endpoint.name), element("div"), element("div", "figures"), element("div", "panels"));
      by("endpoints").append(place);
    }
    const [, about, money, panels] = place.children;
    about.replaceChildren(worded(endpoint.elsewhere || endpoint.about));
    // With one endpoint its figures are the environment's, which stand above, unless it has a cap of its own.
    const own = snapshot.endpoints.length > 1 || endpoint.spending.cap_usd !== null;
    figures(money, own && !endpoint.elsewhere ? endpoint.spending : null, "", endpoint.guard);
    const titles = new Set(endpoint.panels.map((panel) => `${id}/${panel.title}`));
    for (const [key, found] of plots) {
      if (key.startsWith(id + "/") && !titles.has(key)) {
        found.card.remove();
        plots.delete(key);
      }
    }
    for (const panel of endpoint.panels) draw(`${id}/${panel.title}`, panels, panel, until);
    kept.push(place);
  }
  if (!snapshot.error) {
    for (const place of [...by("endpoints").children]) if (!kept.includes(place)) place.remove();
  }
  document.body.dataset.readAt = snapshot.read_at;
}

async function read() {
  clearTimeout(next);
  let seconds = AGAIN_AFTER_A_FAULT;
  try {
    const response = await fetch("snapshot.json", { cache: "no-store" });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    const snapshot = await response.json();
    show(snapshot);
    seconds = snapshot.seconds_between;
  } catch (error) {
    const ended = error instanceof TypeError && String(error.message).includes("fetch");
    problem(
      ended
        ? "The command that serves this page has ended. Run `scaletozero dashboard` again; what is below is no longer read."
        : `The page could not be updated: ${error.message}`,
    );
  }
  // Nothing is read while nobody looks.
  if (!document.hidden) next = setTimeout(read, seconds * 1000);
}

document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(next) : read()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", read);
read();
