// Keeps the list of mails up to date: the server says how many there have been, and the page fetches itself when that
// is news. Without this script the page reloads itself.
"use strict";

const live = document.getElementById("live");

function clocks() {
  for (const t of document.querySelectorAll("time")) {
    t.title = t.textContent;
    t.textContent = new Date(t.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
  }
}

async function refresh() {
  const answer = await fetch("/");
  if (!answer.ok) throw new Error(answer.statusText);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const old = document.getElementById("mails");
  const open = [...old.querySelectorAll("details[open]")].map((d) => d.id);
  old.replaceWith(fresh.getElementById("mails"));
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  document.title = fresh.title;
  clocks();
}

function follow() {
  const stream = new EventSource("/live");
  stream.onopen = () => { live.textContent = "live"; };
  stream.onmessage = (e) => {
    if (e.data !== document.getElementById("mails").dataset.count) {
      refresh().catch(() => { live.textContent = "could not fetch the mails; reload the page"; });
    }
  };
  stream.onerror = () => {
    live.textContent = "the inbox does not answer; trying again";
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  };
}

clocks();
follow();
