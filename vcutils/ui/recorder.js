// The browser's half of vcutils/ui/recorder.py: shows a sentence, records it, sends 16-bit samples to Python.

const LEAST = 0.5; // s
const LONGEST = 30;
const MOST_SAMPLES = 4e6; // Jupyter drops the connection at messages of 10 MB

// An AudioWorklet hands over the samples themselves; MediaRecorder would give lossy Opus or AAC in most browsers.
const TAP = `registerProcessor("tap", class extends AudioWorkletProcessor {
  process([[samples]]) {
    if (samples) this.port.postMessage(samples.slice());
    return true;
  }
});`;

const WHY_NOT = {
  NotAllowedError:
    "The browser does not allow the microphone: allow it with the symbol beside the address, then press Record again " +
    "(VS Code cannot record: open this notebook in a browser).",
  NotFoundError: "There is no microphone: plug one in, then press Record again.",
  NotReadableError: "The microphone does not answer: close other programs that use it, then press Record again.",
};

function whyNot(error) {
  if (!navigator.mediaDevices || !window.AudioWorkletNode) {
    return `The browser lends the microphone only to safe pages, and ${location.origin} is not one: open the notebook through https or through localhost.`;
  }
  return WHY_NOT[error.name] ?? `Recording does not work here (${error.message}): try another browser, or put a file into the folder.`;
}

// Opens the microphone; returns a function that closes it and gives back {samples, rate}.
async function openMicrophone(onSamples) {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 },
  });
  const context = new AudioContext(); // at the computer's own rate, the only one that Firefox records at
  const blocks = [];
  const close = () => {
    stream.getTracks().forEach((track) => track.stop());
    context.close();
    const samples = new Int16Array(blocks.reduce((n, block) => n + block.length, 0));
    let i = 0;
    for (const block of blocks) for (const x of block) samples[i++] = Math.round(32767 * Math.max(-1, Math.min(1, x)));
    return { samples, rate: context.sampleRate };
  };
  try {
    const url = URL.createObjectURL(new Blob([TAP], { type: "text/javascript" }));
    await context.audioWorklet.addModule(url);
    URL.revokeObjectURL(url);
    const tap = new AudioWorkletNode(context, "tap", { channelCount: 1, channelCountMode: "explicit" });
    tap.port.onmessage = ({ data }) => {
      blocks.push(data);
      onSamples(data, context.sampleRate);
    };
    context.createMediaStreamSource(stream).connect(tap).connect(context.destination); // the tap itself is silent
    await context.resume();
  } catch (error) {
    close();
    throw error;
  }
  return close;
}

// Loudest 0.4 s and highest sample so far, in words.
function makeJudge() {
  let energy = 0, peak = 0, loudest = 0;
  return (block, rate) => {
    let sum = 0;
    for (const x of block) {
      sum += x * x;
      peak = Math.max(peak, Math.abs(x));
    }
    energy += (sum / block.length - energy) * Math.min(1, block.length / (0.4 * rate));
    loudest = Math.max(loudest * 0.99995, energy); // forgets slowly, so that a pause is not "too quiet"
    const inWords = peak > 0.99 ? "too loud: move away, or turn the gain down" : loudest < 1e-3 ? "too quiet: move closer, or turn the gain up" : "good";
    return { share: 1 + Math.log10(Math.max(energy, 1e-6)) / 6, inWords };
  };
}

function wav({ samples, rate }) {
  const head = new DataView(new ArrayBuffer(44));
  [..."RIFF____WAVEfmt ____________________data"].forEach((letter, i) => head.setUint8(i, letter.charCodeAt(0)));
  head.setUint32(4, 36 + 2 * samples.length, true);
  head.setUint32(16, 16, true); // bytes of what follows: PCM, one channel, rate, bytes a second, bytes and bits a sample
  head.setUint16(20, 1, true);
  head.setUint16(22, 1, true);
  head.setUint32(24, rate, true);
  head.setUint32(28, 2 * rate, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  head.setUint32(40, 2 * samples.length, true);
  return new Blob([head.buffer, samples], { type: "audio/wav" });
}

function make(tag, parent, attributes = {}, text = "") {
  const element = parent.appendChild(document.createElement(tag));
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

function render({ model, el }) {
  const prompts = model.get("prompts");
  // the attribute in the middle keeps JupyterLab's shortcuts away from the buttons
  const root = make("div", el, { class: "vcutils-recorder", "data-lm-suppress-shortcuts": "true", role: "group", "aria-label": "Recorder" });

  const top = make("div", root, { class: "row" });
  const back = make("button", top, {}, "Previous");
  const number = make("span", top);
  const next = make("button", top, {}, "Next");
  const prompt = make("p", root, { class: "prompt", lang: model.get("language") });

  const middle = make("div", root, { class: "row" });
  const record = make("button", middle, { class: "main" });
  const meter = make("div", middle, { class: "meter", "aria-hidden": "true" }); // the words say the same
  const bar = make("div", meter);
  const seconds = make("span", middle, { class: "seconds" });
  const words = make("span", root, { class: "words", "aria-live": "polite" });

  const bottom = make("div", root, { class: "row" });
  const player = make("audio", bottom, { controls: "", "aria-label": "Your take" });
  const keep = make("button", bottom, { class: "main" }, "Keep");
  const kept = make("ul", root, { "aria-label": "Takes that are kept" });

  let at = 0; // which prompt
  let close = null; // closes the microphone while it is open
  let take = null; // what was recorded and not kept yet
  let busy = ""; // "opening" the microphone, or "sending" to Python
  let level = ""; // of the take, in words
  let gone = false;

  const say = (text, bad = false) => {
    if (words.textContent !== text) words.textContent = text;
    words.classList.toggle("bad", bad);
  };

  const update = () => {
    number.textContent = `Sentence ${at + 1} of ${prompts.length}`;
    prompt.textContent = prompts[at];
    record.textContent = close ? "Stop" : take ? "Record again" : "Record";
    record.setAttribute("aria-disabled", Boolean(busy)); // a button that is disabled loses the keyboard
    keep.disabled = Boolean(busy) || !take;
    back.disabled = Boolean(busy || close) || at === 0;
    next.disabled = Boolean(busy || close) || at === prompts.length - 1;
    bottom.hidden = !take;
    meter.hidden = seconds.hidden = !close;
    kept.replaceChildren();
    for (const text of model.get("kept")) make("li", kept, {}, text);
  };

  const drop = () => {
    if (player.src) URL.revokeObjectURL(player.src);
    player.removeAttribute("src");
    take = null;
  };

  const go = (step) => {
    at += step;
    drop();
    say("");
    update();
  };

  const stop = (note) => {
    const recorded = close();
    close = null;
    if (recorded.samples.length < LEAST * recorded.rate) {
      say("Too short: press Record, read the sentence, then press Stop.", true);
    } else {
      take = recorded;
      player.src = URL.createObjectURL(wav(take));
      say(`${note} Level: ${level}. Listen, then keep the take or record again.`);
    }
    update();
  };

  const start = async () => {
    drop();
    busy = "opening";
    say("Opening the microphone. The browser may ask you to allow it.");
    update();
    const judge = makeJudge();
    let heard = 0; // samples
    let shown = -Infinity;
    try {
      const opened = await openMicrophone((block, rate) => {
        if (!close) return;
        heard += block.length;
        const { share, inWords } = judge(block, rate);
        level = inWords;
        if (heard >= Math.min(LONGEST * rate, MOST_SAMPLES)) return stop(`Stopped after ${(heard / rate).toFixed(0)} s.`);
        if (heard - shown < rate / 15) return;
        shown = heard;
        bar.style.width = `${Math.round(100 * Math.max(0, share))}%`;
        seconds.textContent = `${(heard / rate).toFixed(1)} s`;
        if (heard > rate) say(`Level: ${level}.`); // a second is needed to judge
      });
      if (gone) opened();
      else {
        close = opened;
        say("Read the sentence now.");
      }
    } catch (error) {
      say(whyNot(error), true);
    }
    busy = "";
    update();
  };

  const send = () => {
    busy = "sending";
    say("Sending. If this lasts, a cell is still running: the take is kept when it has finished.");
    update();
    model.send({ prompt: at, rate: take.rate }, undefined, [take.samples.buffer]);
  };

  const hear = (answer) => {
    if (busy !== "sending") return; // another view of this recorder asked
    busy = "";
    if (answer.refused) {
      say(answer.refused, true);
      update();
    } else {
      drop();
      say(`Kept. ${answer.kept}`);
      if (at < prompts.length - 1) at += 1;
      update();
    }
    record.focus();
  };

  back.onclick = () => go(-1);
  next.onclick = () => go(1);
  record.onclick = () => {
    if (close) stop("Recorded.");
    else if (!busy) start();
  };
  keep.onclick = send;
  player.onplay = () => document.querySelectorAll("audio").forEach((other) => other !== player && other.pause());
  model.on("msg:custom", hear);
  model.on("change:kept", update);
  update();

  return () => {
    gone = true;
    if (close) close();
    drop();
    model.off("msg:custom", hear);
    model.off("change:kept", update);
  };
}

export default { render };
