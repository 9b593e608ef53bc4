/**
 * Deadlines of requests in flight. All have the same timeout, so the order of starting is the order
 * of expiry: a linked list through the connections themselves gives O(1) start and cancel with no
 * allocation, and a single timer looks at its head.
 */
export interface Deadline {
  deadlineUs: number;
  previous: Deadline | null;
  next: Deadline | null;
}

export class Deadlines<T extends Deadline> {
  private head: T | null = null;
  private tail: T | null = null;
  private timer: NodeJS.Timeout | null = null;
  private readonly clock: () => number;
  private readonly onExpired: (item: T, now: number) => void;

  constructor(clock: () => number, onExpired: (item: T, now: number) => void) {
    this.clock = clock;
    this.onExpired = onExpired;
  }

  /** `deadlineUs` must not be before that of any item started earlier. */
  start(item: T, deadlineUs: number): void {
    item.deadlineUs = deadlineUs;
    item.previous = this.tail;
    item.next = null;
    if (this.tail) this.tail.next = item;
    else this.head = item;
    this.tail = item;
    if (this.timer === null) this.arm(this.clock());
  }

  cancel(item: T): void {
    if (item.deadlineUs === 0) return;
    if (item.previous) item.previous.next = item.next;
    else this.head = item.next as T | null;
    if (item.next) item.next.previous = item.previous;
    else this.tail = item.previous as T | null;
    item.previous = null;
    item.next = null;
    item.deadlineUs = 0;
    // the timer stays: it finds the new head, or nothing, when it fires
  }

  close(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.head = this.tail = null;
  }

  private arm(now: number): void {
    const waitMs = this.head ? Math.max(1, Math.ceil((this.head.deadlineUs - now) / 1000)) : 0;
    this.timer = this.head ? setTimeout(() => this.expire(), waitMs) : null;
  }

  private expire(): void {
    this.timer = null;
    const now = this.clock();
    while (this.head && this.head.deadlineUs <= now) {
      const item = this.head;
      this.cancel(item);
      this.onExpired(item, now);
    }
    if (this.timer === null) this.arm(this.clock());
  }
}
