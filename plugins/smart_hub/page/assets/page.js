// Draws the charts and follows the UI around the page. Without it the page still has all its tables.
"use strict";

const narrow = matchMedia("(max-width: 600px)");
const dark = matchMedia("(prefers-color-scheme: dark)");

// Airflow's UI shows the page in a frame of the same origin, and marks its own root as dark or light.
const around = (() => {
  try {
    return window.parent !== window && window.parent.document.documentElement;
  } catch {
    return null; // a frame of somebody else's
  }
})();

function theme() {
  const names = around ? around.classList : [];
  for (const name of ["dark", "light"]) if (around && names.contains(name)) return name;
  return dark.matches ? "dark" : "light";
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// A copy of the layout for this screen and theme.
function dressed(layout) {
  const axis = (given) => ({
    ...given, fixedrange: true, gridcolor: colour("--grid"), zerolinecolor: colour("--grid"), linecolor: colour("--grid"),
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

// The most stands out most: on black that is the brightest colour.
function heat() {
  const glow = [[0, "rgba(230, 161, 23, 0.06)"], [0.5, "#b35900"], [1, "#ffd166"]];
  return { showscale: !narrow.matches, ...(document.documentElement.dataset.theme === "dark" && { colorscale: glow }) };
}

function draw() {
  for (const plot of JSON.parse(document.getElementById("plots").textContent)) {
    const traces = plot.data.map((trace) => (trace.type === "heatmap" ? { ...trace, ...heat() } : trace));
    Plotly.react(`chart-${plot.name}`, traces, dressed(plot.layout), { displayModeBar: false, responsive: true });
  }
}

function follow() {
  document.documentElement.dataset.theme = theme();
  if (window.Plotly) draw();
}

// The frame's sandbox lets no link out and no download through: the page around follows them.
function leave(event) {
  const link = event.target.closest("a.leaves");
  if (!link || !around) return;
  event.preventDefault();
  const copy = around.ownerDocument.createElement("a");
  copy.href = link.href;
  if (link.hasAttribute("download")) copy.download = "";
  around.ownerDocument.body.append(copy);
  copy.click();
  copy.remove();
}

function onlyHubsOfState() {
  const state = document.getElementById("state");
  const hub = document.getElementById("hub");
  if (!state) return;
  const all = [...hub.options];
  const filter = () => {
    const chosen = hub.value;
    hub.replaceChildren(...all.filter((one) => !state.value || !one.dataset.state || one.dataset.state === state.value));
    if ([...hub.options].some((one) => one.value === chosen)) hub.value = chosen;
  };
  state.addEventListener("change", filter);
  filter();
}

// The answer to the what-if comes without a jump to the page's top.
function answerInPlace() {
  const form = document.querySelector("#what-if form");
  if (!form) return;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = document.querySelector("#what-if .answer");
    answer.setAttribute("aria-busy", "true");
    try {
      const reply = await fetch(`?${new URLSearchParams(new FormData(form))}`);
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const found = page.querySelector("#what-if .answer") || page.querySelector(".problem");
      answer.replaceChildren(...(found ? found.childNodes : [`Airflow answers with ${reply.status}.`]));
    } catch {
      answer.textContent = "Airflow does not answer.";
    }
    answer.removeAttribute("aria-busy");
  });
}

// The runs of each day by Airflow's REST API: those that the reader may see.
async function runs() {
  const cells = new Map([...document.querySelectorAll(".runs")].map((cell) => [cell.dataset.day, cell]));
  if (!cells.size) return;
  const days = [...cells.keys()].sort();
  const found = new Map();
  for (const query of [
    { partition_date_gte: days[0], partition_date_lte: days.at(-1) },
    { conf_contains: "usage_date" },
  ]) {
    const address = `../api/v2/dags/smart_hub_usage/dagRuns?${new URLSearchParams({ ...query, order_by: "-run_after", limit: 100 })}`;
    const reply = await fetch(address);
    if (!reply.ok) continue;
    for (const run of (await reply.json()).dag_runs) {
      const day = (run.conf && run.conf.usage_date) || run.partition_key;
      if (cells.has(day)) found.set(run.dag_run_id, { day, state: run.state, started: run.start_date || "" });
    }
  }
  const links = new Map();
  for (const [id, run] of [...found].sort((a, b) => (a[1].started < b[1].started ? -1 : 1))) {
    const link = document.createElement("a");
    link.className = "leaves";
    link.href = `../dags/smart_hub_usage/runs/${encodeURIComponent(id)}`;
    link.textContent = run.state;
    link.title = id;
    links.set(run.day, [...(links.get(run.day) || []), link]);
  }
  for (const [day, cell] of cells) {
    const own = links.get(day) || [];
    cell.replaceChildren(...own.flatMap((link, at) => (at ? [", ", link] : [link])));
    if (!own.length) cell.textContent = "none";
  }
}

document.documentElement.dataset.theme = theme();
document.addEventListener("click", leave); // from the start: plotly.js takes its time to load
if (around) new MutationObserver(follow).observe(around, { attributes: true, attributeFilter: ["class"] });
dark.addEventListener("change", follow);
narrow.addEventListener("change", follow);
addEventListener("DOMContentLoaded", () => {
  draw();
  onlyHubsOfState();
  answerInPlace();
  runs().catch(() => {});
});
