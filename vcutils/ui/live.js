// The browser's half of vcutils/ui/live.py: two buttons, a bar, and what Python says, draws and plays.

function make(tag, parent, properties = {}) {
  return parent.appendChild(Object.assign(document.createElement(tag), properties));
}

function render({ model, el }) {
  const row = make("div", el, { style: "display:flex;flex-wrap:wrap;gap:8px 12px;align-items:center" });
  const stop = make("button", row, { textContent: "Stop", title: "Stop the training after this step; nothing is lost" });
  const goOn = make("button", row, { textContent: "Go on", title: "Go on from the last step" });
  const bar = make("progress", row, { max: 1, style: "flex:1 1 12em;max-width:30em" });
  bar.setAttribute("aria-label", "How much of the training is done");
  const words = make("p", el);
  const parts = ["loss", "sound"].map((name) => [name, make("div", el)]);

  stop.onclick = () => {
    // a kernel that runs a cell hears no message, but it can be interrupted
    if (!model.get("waiting")) model.send({ press: "stop" });
    else if (model.widget_manager?.kernel?.interrupt) model.widget_manager.kernel.interrupt();
    else words.textContent = "A cell is waiting for the end of the training: press the stop button ■ of the notebook.";
  };
  goOn.onclick = () => model.send({ press: "go on" });

  const update = () => {
    stop.disabled = !model.get("running");
    goOn.disabled = model.get("running") || model.get("finished");
    bar.value = model.get("share");
    words.textContent = model.get("said");
    if (stop.disabled) words.setAttribute("role", "status"); // a screen reader need not read every step
    else words.removeAttribute("role");
  };
  model.on("change:running change:finished change:share change:said", update);
  update();
  for (const [name, part] of parts) {
    const fill = () => (part.innerHTML = model.get(name));
    model.on(`change:${name}`, fill);
    fill();
  }
}

export default { render };
