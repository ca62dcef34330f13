// Draws the charts and keeps the page's theme equal to the UI's. Without JavaScript the page still has all tables.
"use strict";

const narrow = matchMedia("(max-width: 600px)");
const dark = matchMedia("(prefers-color-scheme: dark)");

// Airflow's UI shows the page in a frame of the same origin; its root element has the class dark or light.
const parentRoot = (() => {
  try {
    return window.parent !== window && window.parent.document.documentElement;
  } catch {
    return null; // a frame of another origin
  }
})();

function theme() {
  for (const name of ["dark", "light"]) if (parentRoot && parentRoot.classList.contains(name)) return name;
  return dark.matches ? "dark" : "light";
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// A copy of the layout for the current screen and theme.
function themed(layout) {
  const axis = (settings) => ({
    ...settings, fixedrange: true, gridcolor: colour("--grid"), zerolinecolor: colour("--grid"), linecolor: colour("--grid"),
  });
  return {
    ...layout,
    autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: narrow.matches ? 11 : 12.5, color: colour("--text") },
    margin: { l: narrow.matches ? 40 : 56, r: 24, t: 32, b: 40 },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", ...layout.legend },
    dragmode: false,
    hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--line"), font: { color: colour("--text") } },
    xaxis: axis(layout.xaxis),
    yaxis: axis(layout.yaxis),
  };
}

// The highest value must have the strongest contrast: on a dark background, the brightest colour.
function heatmapStyle() {
  const darkScale = [[0, "rgba(230, 161, 23, 0.06)"], [0.5, "#b35900"], [1, "#ffd166"]];
  return { showscale: !narrow.matches, ...(document.documentElement.dataset.theme === "dark" && { colorscale: darkScale }) };
}

function draw() {
  for (const plot of JSON.parse(document.getElementById("plots").textContent)) {
    const traces = plot.data.map((trace) => (trace.type === "heatmap" ? { ...trace, ...heatmapStyle() } : trace));
    Plotly.react(`chart-${plot.name}`, traces, themed(plot.layout), { displayModeBar: false, responsive: true });
  }
}

function applyTheme() {
  document.documentElement.dataset.theme = theme();
  if (window.Plotly) draw();
}

// The frame's sandbox blocks downloads and links to the UI, so the parent document opens them.
function openInParent(event) {
  const link = event.target.closest("a.parent-link");
  if (!link || !parentRoot) return;
  event.preventDefault();
  const copy = parentRoot.ownerDocument.createElement("a");
  copy.href = link.href;
  if (link.hasAttribute("download")) copy.download = "";
  parentRoot.ownerDocument.body.append(copy);
  copy.click();
  copy.remove();
}

function filterHubsByState() {
  const state = document.getElementById("state");
  const hub = document.getElementById("hub");
  if (!state) return;
  const all = [...hub.options];
  const filter = () => {
    const selected = hub.value;
    hub.replaceChildren(...all.filter((option) => !state.value || [undefined, state.value].includes(option.dataset.state)));
    if ([...hub.options].some((option) => option.value === selected)) hub.value = selected;
  };
  state.addEventListener("change", filter);
  filter();
}

// Submits the what-if form without a reload, which would scroll to the top.
function submitWhatIfInPlace() {
  const form = document.querySelector("#what-if form");
  if (!form) return;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const result = document.querySelector("#what-if .result");
    result.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(`?${new URLSearchParams(new FormData(form))}`);
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const content = page.querySelector("#what-if .result") || page.querySelector(".problem");
      result.replaceChildren(...(content ? content.childNodes : [`Airflow returned status ${response.status}.`]));
    } catch {
      result.textContent = "Airflow did not respond.";
    }
    result.removeAttribute("aria-busy");
  });
}

// Lists each day's runs from Airflow's REST API, which returns those that the user is allowed to see.
async function listRuns() {
  const cells = new Map([...document.querySelectorAll(".runs")].map((cell) => [cell.dataset.day, cell]));
  if (!cells.size) return;
  const days = [...cells.keys()].sort();
  const runs = new Map();
  for (const query of [
    { partition_date_gte: days[0], partition_date_lte: days.at(-1) },
    { conf_contains: "usage_date" },
  ]) {
    const url = `../api/v2/dags/smart_hub_usage/dagRuns?${new URLSearchParams({ ...query, order_by: "-run_after", limit: 100 })}`;
    const response = await fetch(url);
    if (!response.ok) continue;
    for (const run of (await response.json()).dag_runs) {
      const day = (run.conf && run.conf.usage_date) || run.partition_key;
      if (cells.has(day)) runs.set(run.dag_run_id, { day, state: run.state, started: run.start_date || "" });
    }
  }
  const links = new Map();
  for (const [id, run] of [...runs].sort((a, b) => (a[1].started < b[1].started ? -1 : 1))) {
    const link = document.createElement("a");
    link.className = "parent-link";
    link.href = `../dags/smart_hub_usage/runs/${encodeURIComponent(id)}`;
    link.textContent = run.state;
    link.title = id;
    links.set(run.day, [...(links.get(run.day) || []), link]);
  }
  for (const [day, cell] of cells) {
    const runLinks = links.get(day) || [];
    cell.replaceChildren(...runLinks.flatMap((link, index) => (index ? [", ", link] : [link])));
    if (!runLinks.length) cell.textContent = "none";
  }
}

document.documentElement.dataset.theme = theme();
document.addEventListener("click", openInParent); // before DOMContentLoaded, which waits for plotly.js
if (parentRoot) new MutationObserver(applyTheme).observe(parentRoot, { attributes: true, attributeFilter: ["class"] });
dark.addEventListener("change", applyTheme);
narrow.addEventListener("change", applyTheme);
addEventListener("DOMContentLoaded", () => {
  draw();
  filterHubsByState();
  submitWhatIfInPlace();
  listRuns().catch(() => {});
});
