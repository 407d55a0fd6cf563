"use strict";
// Words follow whichever video plays, and a word pressed plays it. Events are caught on the document, because the
// elements come and go with each result.
(() => {
  const videos = () => [...document.querySelectorAll(".player video")];
  const visible = () => videos().find((video) => !video.paused) || videos().at(-1);
  let stopAt = null;

  function follow(video) {
    for (const word of document.querySelectorAll(".words button")) {
      const now = video.currentTime >= +word.dataset.start && video.currentTime < +word.dataset.end;
      word.classList.toggle("said", now && !video.ended);
    }
    if (stopAt !== null && video.currentTime >= stopAt) {
      stopAt = null;
      video.pause();
    }
    if (!video.paused) requestAnimationFrame(() => follow(video));
  }

  document.addEventListener("play", (event) => {
    videos().filter((video) => video !== event.target).forEach((video) => video.pause());
    if (event.target.matches(".player video")) follow(event.target);
  }, true);
  document.addEventListener("seeked", (event) => {
    if (event.target.matches(".player video")) follow(event.target);
  }, true);
  document.addEventListener("click", (event) => {
    const word = event.target.closest(".words button"), video = visible();
    if (!word || !video) return;
    stopAt = null;
    video.currentTime = +word.dataset.start;
    video.play().then(() => { stopAt = +word.dataset.end; }).catch(() => {});
  });
  // A format that the browser cannot show is read all the same: say that, in place of gradio's error.
  function shows(able) {
    return (event) => {
      if (!event.target.matches("#video video")) return;
      document.getElementById("video").classList.toggle("unshown", !able);
      if (!able) event.stopImmediatePropagation();
    };
  }
  document.addEventListener("error", shows(false), true);
  ["loadedmetadata", "emptied"].forEach((name) => document.addEventListener(name, shows(true), true));
  // On a narrow screen the result lies below what was pressed.
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#go, #example") || !matchMedia("(max-width: 46rem)").matches) return;
    setTimeout(() => document.querySelector(".result").scrollIntoView({ behavior: "smooth" }), 300);
  });
  document.addEventListener("pointerdown", (event) => {
    if (event.target.closest(".player video")) stopAt = null;
  });
})();
