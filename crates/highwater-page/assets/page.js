"use strict";
const embedded = document.getElementById("snapshot");
const show = (state) => { document.getElementById("state").textContent = JSON.stringify(state, null, 2); };
if (embedded) {
  show(JSON.parse(embedded.textContent).state);
} else {
  fetch("api/snapshot").then((answer) => answer.json()).then((snapshot) => {
    show(snapshot.state);
    const live = new EventSource("api/live?after=" + snapshot.seq);
    live.addEventListener("sample", (message) => show(JSON.parse(message.data).state));
    live.addEventListener("reset", () => location.reload());
  });
}
