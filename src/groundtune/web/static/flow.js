// Which item is on screen: the next one is leased and its image fetched while this one is worked on.

import { call } from "./api.js";
import { newId } from "./dom.js";
import { takeSeconds } from "./activity.js";

export class Flow {
  /** `show(work)` gets {..., events} or null at the end; `trouble(error)` what went wrong. */
  constructor(task, queue, { show, trouble }) {
    Object.assign(this, { task, queue, showWork: show, trouble });
    this.work = null;
    this.ahead = null;
    this.passed = [];
  }

  /** Opens the item that the address names, or the next one. */
  async start() {
    const named = new URLSearchParams(location.search).get("item");
    await this.queue.send();
    await this.guard(async () => {
      const { work } = named ? await this.fetchNamed(named) : await this.fetchNext();
      await this.present(work);
      if (this.taken) this.trouble(this.taken);
    });
  }

  /** The item of a key; the next one where another person has it. */
  fetchNamed(key) {
    return call(`/api/items/${encodeURIComponent(key)}`).catch((trouble) => {
      if (trouble.status !== 403) throw trouble;
      this.taken = trouble;
      return this.fetchNext();
    });
  }

  async next() {
    this.passed = [...this.passed.slice(-9), this.work.key];
    const ahead = this.ahead;
    this.ahead = null;
    history.replaceState(null, "", location.pathname);
    await this.guard(async () => {
      const work = ahead ? await ahead : (await this.fetchNext()).work;
      await this.present(work);
    });
  }

  async present(work) {
    this.work = work && { ...work, events: [...work.events, ...(await this.unsent(work))] };
    this.showWork(this.work);
    if (this.work) this.ahead = this.prefetch();
  }

  /** Events on the item that wait in the queue: the server may not know them yet. */
  async unsent(work) {
    const known = new Set(work.events.map((event) => event.id));
    const waiting = await this.queue.waiting();
    return waiting
      .filter((event) => event.item === work.key && !known.has(event.id))
      .map(({ n, ...event }) => event);
  }

  async prefetch() {
    try {
      const { work } = await this.fetchNext();
      for (const sha256 of (work?.images ?? []).slice(0, 2)) new Image().src = `/images/${sha256}?width=1600`;
      return work;
    } catch {
      return (await this.fetchNext()).work; // reported when it is needed
    }
  }

  fetchNext() {
    const besides = [...this.passed, this.work?.key].filter(Boolean);
    const query = new URLSearchParams([["task", this.task], ...besides.map((key) => ["besides", key])]);
    return call(`/api/next?${query}`);
  }

  /** Stores what was done as events of one action. */
  async record(...bodies) {
    const at = Date.now() / 1000;
    const events = bodies.map((body, place) => ({
      id: newId(), item: this.work.key, body, at, active_s: place ? 0 : takeSeconds(),
    }));
    this.work.events.push(...events);
    await this.queue.add(events);
  }

  async guard(step) {
    try {
      await step();
    } catch (error) {
      this.trouble(error);
    }
  }
}
