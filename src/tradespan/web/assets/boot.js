// What Dash's clientside callbacks call: each loads its ES module and starts it on the page that
// Dash has just rendered.
window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.tradespan = {
  mount_shell: () => import("/assets/shell.js").then((module) => module.mountShell()),
  mount_traces: (data) => import("/assets/traces.js").then((module) => module.mountTraces(data)),
  mount_trace: (data) => import("/assets/trace.js").then((module) => module.mountTrace(data)),
};
