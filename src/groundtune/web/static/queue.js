// Events wait here until the server has them: in IndexedDB, so that nothing is lost when the network
// or the browser goes. Each has an id, and the server stores each id once, however often it is sent.

import { call } from "./api.js";

const STORE = "events";
const AT_ONCE = 100;
const LONGEST_WAIT_S = 15;

export class Queue {
  /** `changed({waiting, trouble})` after each step; `refused(event, why)` for one that doesn't fit. */
  constructor(name, person, { changed, refused }) {
    this.name = name;
    this.person = person;
    this.changed = changed;
    this.refused = refused;
    this.memory = [];
    this.database = null;
    this.sending = false;
    this.adding = 0;
    this.wait = 1;
    addEventListener("online", () => this.send());
  }

  async open() {
    try {
      this.database = await opened(this.name);
    } catch {
      this.database = null; // a private window: events wait in memory only
    }
    this.send();
  }

  /** The events that the server may not have yet, in order. */
  async waiting() {
    if (!this.database) return this.memory.slice();
    return result(this.store("readonly").getAll());
  }

  async add(events) {
    this.adding += 1;
    this.changed({ waiting: true });
    await this.keep(events);
    this.adding -= 1;
    this.send();
  }

  async keep(events) {
    if (this.database) {
      const store = this.store("readwrite");
      for (const event of events) store.put(event);
      await finished(store.transaction);
    } else this.memory.push(...events);
  }

  /** Sends what waits, oldest first; later calls wait for the one that is under way. */
  async send() {
    if (this.sending) {
      this.again = true;
      return;
    }
    this.sending = true;
    clearTimeout(this.timer);
    try {
      await this.sendAll();
      this.wait = 1;
    } catch (trouble) {
      this.changed({ waiting: true, trouble });
      this.timer = setTimeout(() => this.send(), this.wait * 1000);
      this.wait = Math.min(LONGEST_WAIT_S, this.wait * 2);
    }
    this.sending = false;
    if (this.again) {
      this.again = false;
      this.send();
    }
  }

  async sendAll() {
    let size = AT_ONCE;
    for (;;) {
      const waiting = await this.waiting();
      this.changed({ waiting: waiting.length + this.adding > 0 });
      if (!waiting.length) return;
      const batch = waiting.slice(0, size).map(({ n, ...event }) => event);
      try {
        const { refused } = await call("/api/events", { person: this.person, events: batch });
        const byId = new Map(batch.map((event) => [event.id, event]));
        for (const { id, why } of refused) this.refused(byId.get(id), why);
      } catch (trouble) {
        if (trouble.status !== 422) throw trouble;
        if (batch.length > 1) {
          size = 1; // to find the one that the server can't read
          continue;
        }
        this.refused(batch[0], trouble.what);
      }
      await this.remove(waiting.slice(0, batch.length));
    }
  }

  async remove(events) {
    if (!this.database) {
      this.memory.splice(0, events.length);
      return;
    }
    const store = this.store("readwrite");
    for (const event of events) store.delete(event.n);
    await finished(store.transaction);
  }

  store(mode) {
    return this.database.transaction(STORE, mode, { durability: "strict" }).objectStore(STORE);
  }
}

function opened(name) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore(STORE, { keyPath: "n", autoIncrement: true });
  };
  return result(request);
}

function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}
