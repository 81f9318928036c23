// Plays the stream beside its page, and tells what became of it.

import Hls from "hls.js";

const video = document.querySelector("video");
const player = new Hls({ enableWorker: false });
const tell = (state) => (document.body.dataset.state = state);

player.on(Hls.Events.ERROR, (_, { fatal, details, response }) => {
  if (fatal) tell(`${details} ${response?.code ?? ""}`.trim());
});
video.addEventListener("ended", () => tell(`played ${Math.round(video.duration)}`));
player.loadSource("film.m3u8");
player.attachMedia(video);
video.play();
