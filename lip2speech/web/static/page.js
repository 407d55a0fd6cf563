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
  document.addEventListener("pointerdown", (event) => {
    if (event.target.closest(".player video")) stopAt = null;
  });
})();
