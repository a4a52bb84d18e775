// A player: the video's own file where the browser can play it; else pieces of it that the server makes, one after the other.

const PIECE = 20; // seconds
const SOON = 6; // seconds before a piece's end at which the next is asked for
const WRONG = 1; // seconds by which a length may be another than the index says, before the file's clock is not trusted
const INTO = 0.1; // how far into a frame to seek, in frames: times in files are rounded

export class Player extends EventTarget {
  constructor(video) {
    super();
    this.video = video;
    this.close();
    video.addEventListener("loadedmetadata", () => this.loaded());
    video.addEventListener("error", () => video.getAttribute("src") && this.failed());
    video.addEventListener("seeked", () => this.seeked());
    video.addEventListener("ended", () => this.goOn());
    for (const kind of ["play", "pause", "ratechange", "volumechange"]) video.addEventListener(kind, () => this.tell("state"));
    video.addEventListener("play", () => this.run());
  }

  tell(kind) {
    this.dispatchEvent(new Event(kind));
  }

  /** Another video; `seen` is what the server says of it. */
  open(seen, time = 0) {
    this.close();
    Object.assign(this, { id: seen.id, duration: seen.duration, fps: seen.fps || 25, broken: seen.gone, wanted: time });
    if (seen.gone) return;
    this.video.poster = `/media/window/${seen.id}/still`;
    this.pieces = !seen.whole; // a folder of pictures, or what lies in a storage
    if (this.pieces) this.load(time);
    else this.video.src = `/media/video/${seen.id}`;
  }

  close() {
    Object.assign(this, { id: null, duration: 0, fps: 25, offset: 0, pieces: false, wanted: null, going: false, asked: "", broken: "" });
    this.video.removeAttribute("src");
    this.video.removeAttribute("poster");
    this.video.load();
  }

  /** Seconds from the first frame, as they are seen or will be in a moment. */
  get time() {
    return this.wanted ?? Math.min(this.duration, this.offset + this.video.currentTime);
  }

  get playing() {
    return this.going || !this.video.paused;
  }

  /** The number of the frame that is seen. */
  get frame() {
    const last = Math.max(0, Math.ceil(this.duration * this.fps - INTO) - 1);
    return Math.min(last, Math.floor(this.time * this.fps + INTO / 2));
  }

  loaded() {
    const { video } = this;
    const whole = !this.pieces;
    if (whole && (!video.videoWidth || Math.abs(video.duration - this.duration) > Math.max(WRONG, 0.01 * this.duration))) {
      this.failed(); // its pictures cannot be shown, or its clock jumps
      return;
    }
    video.playbackRate = this.rate;
    if (this.wanted) video.currentTime = Math.max(0, this.wanted - this.offset);
    else this.wanted = null;
    if (this.going) video.play().catch(() => {});
    this.going = false;
    this.tell("state");
    this.tell("time");
  }

  async failed() {
    if (!this.pieces) {
      const { time } = this;
      this.pieces = true;
      this.load(time);
      return;
    }
    const said = await fetch(this.video.src).then((response) => response.json()).catch(() => ({}));
    this.broken = said.error || "this browser cannot play it";
    this.tell("broken");
  }

  address(number) {
    const start = PIECE * number;
    return `/media/window/${this.id}/watch?start=${start}&end=${Math.min(start + PIECE, this.duration).toFixed(3)}`;
  }

  /** Show the piece of a time. */
  load(time) {
    const going = this.playing;
    const last = Math.max(0, this.duration - 0.5 / this.fps);
    const number = Math.floor(Math.min(time, last) / PIECE);
    Object.assign(this, { offset: PIECE * number, wanted: time, going });
    this.video.src = this.address(number);
  }

  seek(time) {
    const to = Math.min(Math.max(0, time), Math.max(0, this.duration - 0.5 / this.fps));
    const busy = this.wanted !== null;
    this.wanted = to;
    this.tell("time");
    if (this.broken) return;
    if (this.pieces && (to < this.offset || to >= this.offset + PIECE)) this.load(to);
    else if (!busy && this.video.readyState) this.video.currentTime = to - this.offset;
  }

  /** A seek is done; a later one may have been asked for meanwhile. */
  seeked() {
    const { wanted, offset, video } = this;
    if (wanted !== null && Math.abs(offset + video.currentTime - wanted) > 0.5 / this.fps && wanted - offset < video.duration) {
      video.currentTime = wanted - offset;
      return;
    }
    this.wanted = null;
    this.tell("time");
  }

  /** Some frames on, or back. */
  step(frames) {
    this.pause();
    this.seek((this.frame + frames + INTO) / this.fps);
  }

  goOn() {
    const next = this.offset + PIECE;
    if (!this.pieces || next >= this.duration - 0.5 / this.fps) return;
    this.going = true;
    this.load(next);
  }

  play() {
    if (this.broken) return;
    if (this.time >= this.duration - 1 / this.fps) this.seek(0);
    this.video.play().catch(() => {});
  }

  pause() {
    this.going = false;
    this.video.pause();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  rate = 1;

  setRate(rate) {
    this.rate = rate;
    this.video.playbackRate = rate;
    this.video.defaultPlaybackRate = rate;
  }

  /** While it plays: say so with every picture of the screen, and have the next piece made in time. */
  run() {
    const follow = () => {
      if (this.video.paused) return;
      this.tell("time");
      const next = Math.floor(this.offset / PIECE) + 1;
      if (this.pieces && this.time > PIECE * next - SOON && PIECE * next < this.duration && this.asked !== this.address(next)) {
        this.asked = this.address(next);
        fetch(this.asked).catch(() => {}); // the browser keeps it
      }
      requestAnimationFrame(follow);
    };
    follow();
  }
}
